/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Origins, and in which order they are asked: each mapping spreads its requests over several by
 * rendezvous hashing of the key, so that a representation is fetched from one, and when that fails,
 * from the next. No network, and the time only from the callers.
 *
 * Origins of one mapping stand for each other: the same paths, and ETags with the same meaning.
 */
#ifndef COAX_PROXY_ORIGIN_H
#define COAX_PROXY_ORIGIN_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <urcu/list.h>
#include <coax/address.h>
#include <coax/message.h>
#include "proxy/proxy.h"

#define COAX_ORIGINS_MAX	16
#define COAX_ORIGIN_OPTIONS_MAX 1024

/* How long it is not asked after it has failed once; twice as long each time, up to the other. */
#define COAX_ORIGIN_BACKOFF	(1 * NS_PER_SEC)
#define COAX_ORIGIN_BACKOFF_MAX (60 * NS_PER_SEC)
/* For how long an address that a name stood for is used. */
#define COAX_ORIGIN_NAME_MAX (60 * NS_PER_SEC)

struct coax_origin_counters {
	atomic_ulong requests;
	atomic_ulong answers[COAX_PROXY_CLASSES]; /* by class */
	atomic_ulong failures;			  /* requests that it did not answer */
	atomic_ulong answered_ns;
	atomic_ulong times[COAX_PROXY_TIME_COUNT]; /* of answers, each in one of them */
};

struct coax_origin {
	struct cds_list_head node; /* coax_proxy_origins: what is below */
	unsigned int references;
	struct coax_origin_counters *counters; /* never NULL */
	struct coax_origin_counters own;

	char *uri; /* as it was given */
	uint64_t identity;
	bool literal;
	bool secure; /* coaps: by the Context's client credentials */
	in_port_t port;
	struct coax_message base; /* Uri-Host unless it is a literal, and the path's beginning */
	uint8_t bytes[COAX_ORIGIN_OPTIONS_MAX];

	pthread_mutex_t lock; /* what is below */
	union coax_address address;
	uint64_t address_until; /* 0: the name is to be looked up */
	uint64_t answered;	/* when it last did */
	uint32_t failures;	/* in a row */
	uint64_t down_until;
	uint8_t failure; /* the code that the last one is told by */
};

/*
 * Take a "coap://host:port/path" or "coaps://..." apart. Returns 0, -EINVAL or -EPROTONOSUPPORT
 * with *error saying why, or -ENOMEM.
 */
int coax_origin_create(struct coax_origin *origin, const char *uri, const char **error);
void coax_origin_destroy(struct coax_origin *origin);

/* In which order origins are asked for what has this hash. Returns how many there are. */
unsigned int coax_origins_rank(struct coax_origin *const *origins, unsigned int count,
			       uint64_t hash, uint8_t order[COAX_ORIGINS_MAX]);

/* Whether it is left alone now, because it has failed: until when, and with which code. */
bool coax_origin_is_down(struct coax_origin *origin, uint64_t now, uint64_t *until, uint8_t *code);
/* Nobody could be asked there, or nobody answered: `code` tells it to clients. */
void coax_origin_failed(struct coax_origin *origin, uint64_t now, uint8_t code);
/* `remote` answered; NULL: it is not known which. */
void coax_origin_answered(struct coax_origin *origin, uint64_t now,
			  const union coax_address *remote);
/* Whether it has answered anything since then: so it is there, whatever it is silent about. */
bool coax_origin_has_answered_since(struct coax_origin *origin, uint64_t since);
/* It has answered with this code, after so many ns. */
void coax_origin_count_answer(struct coax_origin *origin, uint8_t code, uint64_t ns);
/* Where to send requests. Returns false when the name is to be looked up first. */
bool coax_origin_address(struct coax_origin *origin, uint64_t now, union coax_address *address);

#endif
