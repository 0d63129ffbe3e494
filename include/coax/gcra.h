/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The guard's arithmetic, for both halves alike.
 *
 * A limit is one number, the theoretical arrival time of what comes next (the generic cell rate
 * algorithm): what comes while it is less than the tolerance ahead of now conforms, and moves it by
 * its cost. A prefix has it in two places, each shared with others by chance; the lesser one
 * counts.
 */
#ifndef COAX_GCRA_H
#define COAX_GCRA_H

#include <linux/types.h>
#include <coax/maps.h>

/* Ethernet, IPv6 and UDP headers, as RFC 9175 section 2.4 counts them. */
#define COAX_FRAME_HEADERS  62

#define COAX_COST_SHIFT	    16
#define COAX_FAMILIAR_SHIFT 30
/* For how long a prefix stays familiar that is not heard of: 18 minutes. */
#define COAX_FAMILIAR_LIFETIME 1024

/*
 * Several CPUs write; each value is whole, and which one stays does not matter much for a prefix.
 * Of the totals, which all of them meet at, nothing is lost: see coax_total_charge().
 */
#ifdef __bpf__
#define coax_limit_read(field)	       (*(volatile __typeof__(field) *)&(field))
#define coax_limit_write(field, value) (*(volatile __typeof__(field) *)&(field) = (value))
#else
#define coax_limit_read(field)	       __atomic_load_n(&(field), __ATOMIC_RELAXED)
#define coax_limit_write(field, value) __atomic_store_n(&(field), value, __ATOMIC_RELAXED)
#endif

static inline int coax_gcra_conforms(const struct coax_rate *rate, __u64 arrival, __u64 now)
{
	return !rate->cost || arrival <= now + rate->tolerance;
}

/* The theoretical arrival time after `units` (less than 2^17) more. */
static inline __u64 coax_gcra_next(const struct coax_rate *rate, __u64 arrival, __u64 now,
				   __u32 units)
{
	return (arrival > now ? arrival : now) + (rate->cost * units >> COAX_COST_SHIFT);
}

/* What was charged is not used after all. */
static inline __u64 coax_gcra_back(const struct coax_rate *rate, __u64 arrival, __u32 units)
{
	__u64 cost = rate->cost * units >> COAX_COST_SHIFT;

	return arrival > cost ? arrival - cost : 0;
}

/* Where a prefix is in `limits`. `prefix`: coax_prefix_ipv4() or coax_prefix_ipv6(). */
static inline __u32 coax_limit_place(const struct coax_guard_config *guard, __u64 prefix, int row)
{
	__u64 hash = prefix * guard->seeds[row];

	return (row ? COAX_LIMITS_ROW : 0) + (__u32)(hash >> (64 - COAX_LIMITS_BITS));
}

static inline __u32 coax_familiar_name(const struct coax_guard_config *guard, __u64 prefix)
{
	return (__u32)(prefix * guard->seeds[2] >> 32) | 1;
}

/* Of an address as it lies in memory. No prefix of the one family is one of the other. */
static inline __u64 coax_prefix_ipv4(const struct coax_guard_config *guard, __u32 address)
{
	return (__u64)(address & guard->mask_ipv4) << 32 | 0xffff;
}

static inline __u64 coax_prefix_ipv6(const struct coax_guard_config *guard, __u32 first,
				     __u32 second)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return ((__u64)second << 32 | first) & guard->mask_ipv6;
#else
	return ((__u64)first << 32 | second) & guard->mask_ipv6;
#endif
}

/* Which bit of coax_guard_config.own an address has, by the last four of its 16 bytes. */
static inline __u32 coax_own_bit(__u32 last)
{
	return last * 0x9e3779b1U >> 24;
}

static inline __u64 coax_lesser(__u64 a, __u64 b)
{
	return a < b ? a : b;
}

/* Who passed at the same time may be too many for a moment, but is counted. */
static inline void coax_total_charge(__u64 *total, const struct coax_rate *rate, __u64 now,
				     __u32 units)
{
	__u64 arrival = coax_limit_read(*total);

	if (arrival < now)
		__sync_val_compare_and_swap(total, arrival, now);
	__sync_fetch_and_add(total, rate->cost * units >> COAX_COST_SHIFT);
}

/* Lost in a race, it is only missing. Never below zero, from where there is no way back. */
static inline void coax_total_refund(__u64 *total, const struct coax_rate *rate, __u32 units)
{
	__u64 arrival = coax_limit_read(*total);

	__sync_val_compare_and_swap(total, arrival, coax_gcra_back(rate, arrival, units));
}

/* The two places of a prefix as one. */
static inline __u64 coax_limit_requests(const struct coax_limit *a, const struct coax_limit *b)
{
	return coax_lesser(coax_limit_read(a->requests), coax_limit_read(b->requests));
}

static inline __u64 coax_limit_replies(const struct coax_limit *a, const struct coax_limit *b)
{
	return coax_lesser(coax_limit_read(a->replies), coax_limit_read(b->replies));
}

/* Never back: the greater one of a place is somebody else's. */
static inline void coax_limit_set_requests(struct coax_limit *limit, __u64 arrival)
{
	if (coax_limit_read(limit->requests) < arrival)
		coax_limit_write(limit->requests, arrival);
}

static inline void coax_limit_set_replies(struct coax_limit *limit, __u64 arrival)
{
	if (coax_limit_read(limit->replies) < arrival)
		coax_limit_write(limit->replies, arrival);
}

static inline int coax_limit_knows(const struct coax_limit *limit, __u32 name, __u32 time)
{
	return coax_limit_read(limit->familiar) == name &&
	       coax_limit_read(limit->familiar_until) > time;
}

/*
 * Whether a prefix was here before. What floods is not, and can be told from who was: nobody is
 * made familiar while a total is half used up, and nobody makes way for another.
 */
static inline int coax_is_familiar(const struct coax_limit *a, const struct coax_limit *b,
				   __u32 name, __u64 now)
{
	__u32 time = (__u32)(now >> COAX_FAMILIAR_SHIFT);

	return coax_limit_knows(a, name, time) || coax_limit_knows(b, name, time);
}

static inline void coax_make_familiar(struct coax_limit *a, struct coax_limit *b, __u32 name,
				      __u64 now)
{
	__u32 time = (__u32)(now >> COAX_FAMILIAR_SHIFT);
	struct coax_limit *at = a;

	if (coax_limit_read(b->familiar) == name ||
	    (coax_limit_read(a->familiar) != name && coax_limit_read(a->familiar_until) > time))
		at = b;
	if (coax_limit_read(at->familiar) == name) {
		/* Most often it was said a moment ago. */
		if (coax_limit_read(at->familiar_until) > time + COAX_FAMILIAR_LIFETIME / 2)
			return;
	} else if (coax_limit_read(at->familiar_until) > time) {
		return;
	}
	coax_limit_write(at->familiar, name);
	coax_limit_write(at->familiar_until, time + COAX_FAMILIAR_LIFETIME);
}

/* Whether so much of a total is left that who comes now is no part of a flood. */
static inline int coax_total_is_calm(const struct coax_rate *rate, __u64 arrival, __u64 now)
{
	return !rate->cost || arrival <= now + rate->tolerance / 2;
}

/* Those who are familiar have a reserve behind the total that strangers cannot use up. */
static inline int coax_total_conforms(const struct coax_rate *rate, __u64 arrival, __u64 now,
				      int familiar)
{
	return !rate->cost || arrival <= now + rate->tolerance * (familiar ? 4 : 1);
}

/* Whether nothing speaks of a flood, so that who comes now may become familiar. */
static inline int coax_is_calm(const struct coax_guard_config *guard,
			       const struct coax_limit *total, __u64 now)
{
	return coax_total_is_calm(&guard->strangers, coax_limit_read(total->requests), now) &&
	       coax_total_is_calm(&guard->replies_total, coax_limit_read(total->replies), now);
}

/*
 * What both halves do with the places `a` and `b` of a prefix whose `name` that is, and the total.
 */

/* Whether a prefix may be sent replies beyond the factor. */
static inline int coax_limit_may_reply(const struct coax_guard_config *guard,
				       const struct coax_limit *a, const struct coax_limit *b,
				       const struct coax_limit *total, __u32 name, __u64 now)
{
	__u64 all = coax_limit_read(total->replies);

	if (!coax_gcra_conforms(&guard->replies, coax_limit_replies(a, b), now))
		return 0;
	return coax_total_conforms(&guard->replies_total, all, now, 0) ||
	       (coax_total_conforms(&guard->replies_total, all, now, 1) &&
		coax_is_familiar(a, b, name, now));
}

/* It is sent one of `length` bytes. */
static inline void coax_limit_charge_reply(const struct coax_guard_config *guard,
					   struct coax_limit *a, struct coax_limit *b,
					   struct coax_limit *total, __u32 name, __u64 now,
					   __u32 length)
{
	__u64 prefix = coax_limit_replies(a, b);

	if (coax_is_calm(guard, total, now))
		coax_make_familiar(a, b, name, now);
	prefix = coax_gcra_next(&guard->replies, prefix, now, length);
	coax_limit_set_replies(a, prefix);
	coax_limit_set_replies(b, prefix);
	coax_total_charge(&total->replies, &guard->replies_total, now, length);
}

static inline void coax_limit_charge_request(const struct coax_guard_config *guard,
					     struct coax_limit *a, struct coax_limit *b, __u64 now)
{
	__u64 prefix = coax_gcra_next(&guard->requests, coax_limit_requests(a, b), now, 1);

	coax_limit_set_requests(a, prefix);
	coax_limit_set_requests(b, prefix);
}

/* What was charged is not used. A place that is ahead of the other was not moved by it. */
static inline void coax_limit_refund_request(const struct coax_guard_config *guard,
					     struct coax_limit *a, struct coax_limit *b)
{
	__u64 charged = coax_limit_requests(a, b);
	__u64 prefix = coax_gcra_back(&guard->requests, charged, 1);

	if (coax_limit_read(a->requests) == charged)
		coax_limit_write(a->requests, prefix);
	if (coax_limit_read(b->requests) == charged)
		coax_limit_write(b->requests, prefix);
}

static inline void coax_limit_refund_reply(const struct coax_guard_config *guard,
					   struct coax_limit *a, struct coax_limit *b,
					   struct coax_limit *total, __u32 length)
{
	__u64 charged = coax_limit_replies(a, b);
	__u64 prefix = coax_gcra_back(&guard->replies, charged, length);

	if (coax_limit_read(a->replies) == charged)
		coax_limit_write(a->replies, prefix);
	if (coax_limit_read(b->replies) == charged)
		coax_limit_write(b->replies, prefix);
	coax_total_refund(&total->replies, &guard->replies_total, length);
}

/*
 * Something of a prefix is for userspace. Whether it is familiar, or there is room for one stranger
 * more, which is counted.
 */
static inline int coax_limit_admits(const struct coax_guard_config *guard, struct coax_limit *a,
				    struct coax_limit *b, struct coax_limit *total, __u32 name,
				    __u64 now)
{
	__u64 all = coax_limit_read(total->requests);
	int calm = coax_is_calm(guard, total, now);
	int familiar = coax_is_familiar(a, b, name, now);

	if (calm || familiar)
		coax_make_familiar(a, b, name, now);
	if (familiar)
		return 1;
	if (!coax_gcra_conforms(&guard->strangers, all, now))
		return 0;
	coax_total_charge(&total->requests, &guard->strangers, now, 1);
	return 1;
}

/* Whether a reply goes beyond what may be sent to anybody. Lengths of CoAP messages. */
static inline int coax_is_amplified(const struct coax_guard_config *guard, __u32 request,
				    __u32 reply)
{
	return reply + COAX_FRAME_HEADERS > guard->factor * (request + COAX_FRAME_HEADERS) &&
	       guard->factor;
}

#endif
