/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threads that do their parts, side by side, until the time is up.
 */
#ifndef COAX_TEST_ROLES_H
#define COAX_TEST_ROLES_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>
#include "../harness.h"

#define ROLES_MAX 8

typedef void *(*role_fn)(void *arg);

static atomic_bool stop;

/* Each is given its number, the last one `last`. COAX_TORTURE_SECONDS is for longer. */
static inline void play_roles(const role_fn *roles, unsigned int count, void *last,
			      unsigned int seconds)
{
	const char *text = getenv("COAX_TORTURE_SECONDS");
	pthread_t threads[ROLES_MAX];

	for (uintptr_t i = 0; i < count; i++)
		ASSERT_EQ(pthread_create(&threads[i], NULL, roles[i],
					 i == count - 1 ? last : (void *)i),
			  0);
	sleep(text ? (unsigned int)atoi(text) : seconds);
	stop = true;
	for (unsigned int i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
}

#endif
