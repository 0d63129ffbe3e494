// SPDX-License-Identifier: BSD-2-Clause
/* Responses with a representation that was fetched from another origin. */
#include <errno.h>
#include <time.h>
#include "accel/accel.h"
#include "clock.h"
#include "site/responder.h"

int coax_responder_set_fetched(struct coax_responder *responder, uint64_t fetched, uint32_t max_age)
{
	int err;

	if (coax_responder_is_over(responder, "coax_responder_set_fetched"))
		return -EINVAL;
	err = coax_fresh_reserve(&responder->response, max_age);
	if (err)
		return err;
	responder->fetched = (struct coax_fetched){
		.is_fetched = true,
		.max_age = max_age,
		.until = coax_fresh_until(fetched, max_age),
	};
	return 0;
}

uint64_t coax_responder_needed_until(const struct coax_responder *responder)
{
	struct timespec now;

	if (responder->needed_until)
		return responder->needed_until;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_SEC + (uint64_t)now.tv_nsec;
}

uint64_t coax_responder_fresh_until(const struct coax_responder *responder)
{
	return responder->fetched.is_fetched ? responder->fetched.until : COAX_NEVER;
}

void coax_responder_write_max_age(struct coax_responder *responder)
{
	coax_fresh_write(&responder->response, coax_responder_fresh_until(responder));
}
