/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The messages that were seen lately, so that one that comes again is known (RFC 7252 section 4.5).
 *
 * A message is found by its name, a keyed hash of both endpoints and the message ID, and confirmed
 * by a keyed hash of its bytes. The memory is bounded: what is safe or idempotent may be forgotten
 * early when room is needed (the RFC allows to run it again), oldest first; what must run once is
 * kept until its lifetime ends, and when it has taken the table, no more is let in.
 */
#ifndef COAX_DUPLICATES_H
#define COAX_DUPLICATES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "exchange/exchange.h"
#include "replies.h"

/* How bad it would be to run a request again (RFC 7252 section 5.1, RFC 8132). */
enum coax_seen_class {
	COAX_SEEN_SAFE,	      /* changes nothing */
	COAX_SEEN_IDEMPOTENT, /* changes nothing more */
	COAX_SEEN_ONCE,	      /* must not be */
	COAX_SEEN_CLASSES
};

enum coax_seen_state {
	COAX_SEEN_NOT,	    /* a free record */
	COAX_SEEN_OPEN,	    /* handed up, in its callback */
	COAX_SEEN_HELD,	    /* to be answered later */
	COAX_SEEN_ANSWERED, /* or refused an answer */
};

#define COAX_SEEN_INLINE 16

/* A cache line each. Others are named by their index; 0: none. */
struct coax_seen {
	uint64_t name;
	uint64_t bytes;
	uint64_t expires; /* ns; once answered */
	uint32_t next;	  /* in its bucket, or of the free ones */
	uint32_t newer;	  /* once answered: of its class and type */
	uint32_t older;
	uint32_t serial;
	union {
		struct coax_held *held; /* while held */
		uint32_t stored;	/* of a long reply, where it is; 0: not kept */
		uint8_t reply[COAX_SEEN_INLINE];
	};
	uint16_t id;
	uint16_t reply_length; /* 0: none kept */
	uint8_t class;
	uint8_t state;
	bool confirmable;
	bool acknowledged : 1; /* by an empty ACK, which is what a duplicate gets again */
	bool named : 1;	       /* can be found; false when another message took the name over */
	bool told : 1;	       /* a verdict */
};

struct coax_seen_queue {
	uint32_t oldest;
	uint32_t newest;
};

struct coax_duplicates {
	struct coax_seen *seen; /* [0] is unused */
	uint32_t *buckets;
	uint32_t bucket_count; /* a power of two */
	uint32_t max;
	uint32_t touched;    /* records that have ever been in use */
	uint32_t first_free; /* list of those that have come back */
	uint32_t serial;     /* the last one given */
	uint32_t count[COAX_SEEN_CLASSES];
	uint32_t limit[COAX_SEEN_CLASSES];
	struct coax_seen_queue answered[COAX_SEEN_CLASSES][2]; /* by confirmable */
	struct coax_replies replies;
};

/* `max`: messages that are remembered. Returns 0 or -ENOMEM. */
int coax_duplicates_create(struct coax_duplicates *duplicates, uint32_t max);
void coax_duplicates_destroy(struct coax_duplicates *duplicates);

static inline void coax_duplicates_prefetch(const struct coax_duplicates *duplicates, uint64_t name)
{
	__builtin_prefetch(&duplicates->buckets[name & (duplicates->bucket_count - 1)]);
}

/* Once the former has had time. */
static inline void coax_duplicates_prefetch_record(const struct coax_duplicates *duplicates,
						   uint64_t name)
{
	uint32_t index = duplicates->buckets[name & (duplicates->bucket_count - 1)];

	__builtin_prefetch(&duplicates->seen[index]);
}

/* The record that is taken when `before` have been taken first, where that is known. */
static inline void coax_duplicates_prefetch_free(const struct coax_duplicates *duplicates,
						 unsigned int before)
{
	uint32_t index = duplicates->first_free;

	if (!index)
		__builtin_prefetch(&duplicates->seen[duplicates->touched + 1 + before], 1);
	else if (!before)
		__builtin_prefetch(&duplicates->seen[index], 1);
}

/* The message that has this name now, or NULL. */
struct coax_seen *coax_duplicates_find(struct coax_duplicates *duplicates, uint64_t name,
				       uint64_t now);

/*
 * A new one, open, whose type and ID the caller fills in. NULL: no room. No other has its name:
 * the caller has forgotten it.
 */
struct coax_seen *coax_duplicates_add(struct coax_duplicates *duplicates, uint64_t name,
				      uint64_t bytes, enum coax_seen_class class, uint64_t now);

/*
 * What is answered, and may run again for a duplicate: a request that is safe (and was not held,
 * which would take as long again), or idempotent and the client is still waiting, whose reply has
 * not been kept.
 */
static inline bool coax_seen_may_run_again(const struct coax_seen *seen)
{
	if (seen->reply_length)
		return false;
	return seen->class == COAX_SEEN_SAFE ||
	       (seen->class == COAX_SEEN_IDEMPOTENT && seen->confirmable);
}

/* An answered one is handed up again. */
void coax_duplicates_reopen(struct coax_duplicates *duplicates, struct coax_seen *seen);

/*
 * It was not executed: it has not to be kept from being run again, only known while there is room.
 * Before it is answered.
 */
void coax_duplicates_relax(struct coax_duplicates *duplicates, struct coax_seen *seen);

/*
 * It is answered, with `reply` to be repeated (NULL: nothing is), and is remembered for its type's
 * lifetime from now on.
 */
void coax_duplicates_answer(struct coax_duplicates *duplicates, struct coax_seen *seen,
			    const uint8_t *reply, size_t length, uint64_t now);

/* The reply to repeat, or NULL. */
const uint8_t *coax_duplicates_reply(const struct coax_duplicates *duplicates,
				     const struct coax_seen *seen);

/* Its name goes to another message. One that is being handled can still be answered. */
void coax_duplicates_forget(struct coax_duplicates *duplicates, struct coax_seen *seen);

/* Tickets name what is open or held. NULL: the ticket has ended. */
struct coax_ticket coax_duplicates_ticket(const struct coax_duplicates *duplicates,
					  const struct coax_seen *seen);
struct coax_seen *coax_duplicates_by_ticket(const struct coax_duplicates *duplicates,
					    struct coax_ticket ticket);

/* When a request of a class that found no room may find some, in ns from now. */
uint64_t coax_duplicates_wait(const struct coax_duplicates *duplicates, uint64_t now);

#endif
