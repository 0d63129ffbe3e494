/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Chance that is the same each time, unless the environment says otherwise.
 */
#ifndef COAX_TEST_CHANCE_H
#define COAX_TEST_CHANCE_H

#include <stdint.h>
#include <stdlib.h>

static uint64_t chance_state;

/* Less than `below`. */
static inline uint32_t pick(uint32_t below)
{
	chance_state = chance_state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(chance_state >> 33) % below;
}

/* A number from the environment. */
static inline unsigned long setting(const char *name, unsigned long otherwise)
{
	const char *text = getenv(name);

	return text ? strtoul(text, NULL, 0) : otherwise;
}

#endif
