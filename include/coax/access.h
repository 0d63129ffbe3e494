/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Access rules: who may do what to which resources of a Site. Without any, everybody may do
 * everything.
 */
#ifndef COAX_ACCESS_H
#define COAX_ACCESS_H

#include <stddef.h>
#include <stdint.h>

struct coax_access;
struct coax_claims;
struct coax_site;

/* One bit a method, by its code: COAX_ACCESS_METHOD(COAX_GET) | ... */
#define COAX_ACCESS_METHOD(code) (UINT32_C(1) << (code))
#define COAX_ACCESS_READ	 (COAX_ACCESS_METHOD(1) | COAX_ACCESS_METHOD(5)) /* GET, FETCH */
#define COAX_ACCESS_ALL		 UINT32_MAX

/*
 * Whoever fits `who` may use `methods` on the resource at `path` and on all below it. Where rules
 * have paths that fit a request, those with the longest one count, and one of them has to allow it.
 * Paths are compared as requests carry them, segment by segment and with their case: "/a" is for
 * "/a", "/a/" and "/a/b", not for "/ab". "/a/" and "/%61" are the same as "/a".
 * What is asked of a forward-proxy has to be allowed at "/", too.
 *
 * `who`: "*" is anybody, by plain coap too; "secure" any secure session; ":label" who was known by
 * that entry of the credentials; "psk:PATTERN" a PSK identity, "subject:PATTERN" a certificate's
 * subject (RFC 4514), "name:PATTERN" one of its subjectAltNames ("DNS:*.example"), "key:HEX" the
 * SHA-256 of a public key (SubjectPublicKeyInfo). A '*' in PATTERN stands for any characters, and
 * all of the text has to fit; names of hosts ("DNS:") have no case.
 */
struct coax_access_rule {
	const char *path; /* as in a URI: "/" is everything */
	const char *who;
	uint32_t methods;
};

/**
 * coax_access_create - compile rules. They are copied. Returns 0, -EINVAL with *bad the rule that
 * makes no sense, or -ENOMEM.
 */
int coax_access_create(struct coax_access **access, const struct coax_access_rule *rules,
		       size_t count, size_t *bad);

/**
 * coax_access_narrow - what `also` does not allow is not allowed either: for the time in which both
 * former and new rules are to hold. Before `access` is a Site's. Takes `also` over.
 */
void coax_access_narrow(struct coax_access *access, struct coax_access *also);

/**
 * coax_access_destroy - free them, and those that they were narrowed by. NULL: nothing.
 */
void coax_access_destroy(struct coax_access *access);

/**
 * coax_site_set_access - have a Site's requests checked from now on; NULL: none is. Takes `access`
 * over. A request that no rule allows gets 4.01 when it came without security, else 4.03 (RFC 7252
 * sections 5.9.2.2 and 5.9.2.4), whether there is something at its path or not; by multicast,
 * nothing. /.well-known/core lists to each client what it may read.
 *
 * What plain coap may not read is not given to the kernel, and what was given to it has been
 * withdrawn on return. Observers that are there get 5.03 as their last notification: who still may
 * asks again. Requests that a handler has begun with are finished by the former rules. What the
 * application renders itself (coax_render_to_pipe()) is not checked.
 *
 * Waits for RCU grace periods: not from a handler or a callback. Returns 0 or -ENOMEM (nothing has
 * changed, and `access` is still the caller's).
 */
int coax_site_set_access(struct coax_site *site, struct coax_access *access);

#endif
