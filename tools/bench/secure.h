/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Secure sessions with a server (DTLS 1.2), as OpenSSL's client has them, each from a port of its
 * own: whatever the server is, what it is asked is the same.
 */
#ifndef BENCH_SECURE_H
#define BENCH_SECURE_H

#include <openssl/ssl.h>
#include "client.h"

#define SECURE_WINDOW_MAX 8
#define SECURE_FORMER_MAX 256 /* ports of sessions that are over, which stay open for a while */
/* Of handshake datagrams, as for links of IPv6. */
#define SECURE_MTU (1280 - 48)
/* No message is longer; OpenSSL has buffers for that. */
#define SECURE_FRAGMENT_MAX CLIENT_DATAGRAM_MAX

struct secure_options {
	union coax_address destination;
	const char *cipher;   /* OpenSSL's name of it */
	const char *identity; /* NULL: the server has a certificate, which is not looked at */
	const char *key;
	bool resume; /* what the first handshake has agreed on */
	struct bench_request request;
	unsigned int sessions;
	unsigned int shaking; /* at a time, of sessions that stay */
	unsigned int window;  /* unanswered requests a session */
};

/* Since the last secure_reset(). */
struct secure_counts {
	uint64_t handshakes; /* that ended well, and of these: */
	uint64_t resumed;
	uint64_t failed;   /* refused, or without an end for too long */
	uint64_t repeated; /* times that a flight had to be sent again */
	uint64_t sent;
	uint64_t replies; /* 2.xx to a request that waited for it */
	uint64_t errors;  /* other codes, and RST */
	uint64_t lost;
	uint64_t extra;	  /* what nothing waited for */
	uint64_t ended;	  /* sessions that the server ended */
	uint64_t refused; /* times that the network said that there is no server */
	char reason[128]; /* OpenSSL's of the last failure; empty: none */
};

struct secure;

/* For either role by those options, which are to stay; NULL: OpenSSL does not know the cipher, or
 * has no memory. */
SSL_CTX *secure_context(const struct secure_options *options, bool server);

int secure_open(struct secure **secure, const struct secure_options *options);
void secure_close(struct secure *secure);

/*
 * Shake hands and close the session again, over and over, until `end`, or `count` handshakes have
 * ended well, or a signal.
 */
void secure_shake(struct secure *secure, uint64_t end, uint64_t count);

/* Establish all sessions, to stay. Returns whether they are. */
bool secure_establish(struct secure *secure, uint64_t end);

/* Requests in all sessions, until `end`, or `count` have been sent and none waits, or a signal. */
void secure_request(struct secure *secure, uint64_t end, uint64_t count);

void secure_reset(struct secure *secure);
const struct secure_counts *secure_counts(const struct secure *secure);

#endif
