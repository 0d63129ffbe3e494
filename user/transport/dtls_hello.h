/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Records as they lie in datagrams, ClientHellos, and the answer to those without a cookie
 * (RFC 6347 sections 4.1, 4.2.1 and 4.2.2). Nothing here keeps state or allocates.
 */
#ifndef COAX_DTLS_HELLO_H
#define COAX_DTLS_HELLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <coax/address.h>
#include <coax/cookie.h>

#define COAX_RECORD_HEADER    13
#define COAX_HANDSHAKE_HEADER 12
#define COAX_HELLO_RANDOM     32
#define COAX_HELLO_ID_MAX     32
/* A HelloVerifyRequest: two headers, version, cookie. */
#define COAX_HELLO_VERIFY (COAX_RECORD_HEADER + COAX_HANDSHAKE_HEADER + 3 + COAX_COOKIE_LENGTH)

/* RFC 5246 section 6.2.1 */
enum coax_record_type {
	COAX_RECORD_CHANGE_CIPHER_SPEC = 20,
	COAX_RECORD_ALERT = 21,
	COAX_RECORD_HANDSHAKE = 22,
	COAX_RECORD_APPLICATION_DATA = 23,
};

struct coax_record {
	uint8_t *data; /* with its header */
	uint32_t length;
	uint8_t type;
	uint16_t epoch;
};

/* A ClientHello as far as its cookie. The pointers are into the record. */
struct coax_hello {
	const uint8_t *sequence; /* the record's epoch and sequence number, 8 bytes */
	uint16_t message_sequence;
	const uint8_t *version;
	const uint8_t *random;
	const uint8_t *session;
	const uint8_t *cookie;
	uint8_t session_length;
	uint8_t cookie_length;
};

/* The record at the start of `data`; false: none that is whole and of DTLS. */
bool coax_record_parse(struct coax_record *record, uint8_t *data, size_t length);

/* Whether it is (a fragment of) a ClientHello in the clear. */
bool coax_record_is_hello(const struct coax_record *record);

/*
 * Of a fragmented one the first fragment is enough, if the cookie is in it. False: there is nothing
 * to answer.
 */
bool coax_hello_parse(struct coax_hello *hello, const struct coax_record *record);

bool coax_hello_cookie_is_valid(const struct coax_hello *hello, const struct coax_cookie_key *key,
				const union coax_address *remote, uint64_t now);

/* Write the HelloVerifyRequest that answers it. */
void coax_hello_verify(uint8_t out[COAX_HELLO_VERIFY], const struct coax_hello *hello,
		       const struct coax_cookie_key *key, const union coax_address *remote,
		       uint64_t now);

#endif
