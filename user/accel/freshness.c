// SPDX-License-Identifier: BSD-2-Clause
/*
 * How Max-Age is written, for both halves: the program does the same arithmetic by the same clock.
 *
 * That clock is a coarse one. So that neither half ever promises more than is left, all is reckoned
 * as if time were up earlier by as much as it can be behind.
 */
#include <string.h>
#include <time.h>
#include <coax/option.h>
#include "accel/internal.h"
#include "clock.h"

/*
 * It moves with the ticks, in steps of them, and what does not fill a step waits for the next: that
 * is up to two. The third is for a tick that comes late.
 */
#define TICKS_BEHIND 3

static uint64_t behind(void)
{
	struct timespec tick;

	if (clock_getres(CLOCK_MONOTONIC_COARSE, &tick))
		return NS_PER_SEC;
	return TICKS_BEHIND * ((uint64_t)tick.tv_sec * NS_PER_SEC + (uint64_t)tick.tv_nsec);
}

uint64_t accel_fresh_deadline(uint64_t until)
{
	uint64_t early = behind();

	return until > early ? until - early : 0;
}

uint64_t accel_fresh_until(uint64_t deadline)
{
	return deadline + behind();
}

uint64_t coax_fresh_until(uint64_t fetched, uint32_t max_age)
{
	struct timespec time;
	uint64_t now;

	clock_gettime(CLOCK_MONOTONIC, &time);
	now = (uint64_t)time.tv_sec * NS_PER_SEC + (uint64_t)time.tv_nsec;
	return (fetched < now ? fetched : now) + max_age * NS_PER_SEC;
}

int coax_fresh_reserve(struct coax_message *response, uint32_t max_age)
{
	static const uint8_t zeros[sizeof(max_age)];
	size_t length = 0;

	while (length < sizeof(max_age) && max_age >> 8 * length)
		length++;
	coax_message_remove(response, COAX_MAX_AGE);
	return coax_message_add(response, COAX_MAX_AGE, zeros, length);
}

/* Big-endian, in all of its bytes (RFC 7252 section 3.2 has recipients take leading zeros). */
static void write_uint(uint8_t *bytes, size_t length, uint64_t value)
{
	while (length--) {
		bytes[length] = (uint8_t)value;
		value >>= 8;
	}
}

void coax_fresh_write(struct coax_message *response, uint64_t until)
{
	uint64_t deadline, now;
	struct coax_option option;

	if (until == COAX_NEVER || !coax_message_find(response, COAX_MAX_AGE, &option))
		return;
	deadline = accel_fresh_deadline(until);
	now = accel_now();
	write_uint(response->data + (option.value - response->data), option.length,
		   now < deadline ? (deadline - now) / NS_PER_SEC : 0);
}

bool accel_fresh_prepare(struct accel_freshness *freshness, const struct coax_message *response,
			 uint64_t until, uint8_t *reply)
{
	struct coax_option option;
	const uint8_t *rest;
	size_t length;

	if (!coax_message_find(response, COAX_MAX_AGE, &option) || option.length == 0 ||
	    option.length > sizeof(uint32_t))
		return false;
	freshness->deadline = accel_fresh_deadline(until);
	if (freshness->deadline <= accel_now())
		return false;
	rest = coax_message_rest(response, &length);
	freshness->max_age_at = (uint16_t)(option.value - rest);
	freshness->max_age_length = (uint8_t)option.length;
	memcpy(reply, rest, length);
	memset(reply + freshness->max_age_at, 0, option.length);
	return true;
}
