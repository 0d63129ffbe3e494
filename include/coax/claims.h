/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who a peer has proven to be, by its secure session (RFC 7252 section 9).
 */
#ifndef COAX_CLAIMS_H
#define COAX_CLAIMS_H

#include <stddef.h>
#include <stdint.h>

enum coax_claims_kind {
	COAX_CLAIMS_ANONYMOUS,	 /* the session is secure, but the peer has shown nothing */
	COAX_CLAIMS_PSK,	 /* it has the key of an identity */
	COAX_CLAIMS_CERTIFICATE, /* it has the key of a certificate whose chain was verified */
	COAX_CLAIMS_PUBLIC_KEY,	 /* it has the key of a raw public key that is known */
};

/* Immutable; stays as long as who gives it says, or while it is held. */
struct coax_claims {
	enum coax_claims_kind kind;
	/*
	 * The name of the credentials entry by which the peer was known (":sensors"); NULL: none
	 * names it (a certificate that a trusted authority signed).
	 */
	const char *label;
	const uint8_t *identity; /* the PSK identity; any bytes; NULL: none */
	size_t identity_length;
	const char *subject;	  /* of the certificate, by RFC 4514; NULL: none */
	const char *const *names; /* its subjectAltNames: "DNS:a.example", "URI:...", "IP:..." */
	size_t name_count;
	const uint8_t *public_key; /* SubjectPublicKeyInfo, DER; NULL: none */
	size_t public_key_length;
};

/**
 * coax_claims_hold - keep claims beyond where they were given. NULL: nothing. Any thread. Returns
 * `claims`.
 */
const struct coax_claims *coax_claims_hold(const struct coax_claims *claims);

/**
 * coax_claims_release - give up what was held. NULL: nothing. Any thread.
 */
void coax_claims_release(const struct coax_claims *claims);

#endif
