/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the kernel half may answer: subjects, and how it is loaded.
 *
 * A subject is something that representations are rendered from: a resource, a file. It has
 * a generation that grows with each change. A representation is published for the kernel under the
 * generation that was read before rendering began, so one that a change has overtaken never gets
 * there; a change withdraws all that was published before (README, "How it works").
 */
#ifndef COAX_ACCEL_H
#define COAX_ACCEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct coax_subject;

/**
 * coax_subject_create - a new subject with one reference. Works with and without a kernel half.
 *
 * Returns 0 or -ENOMEM.
 */
int coax_subject_create(struct coax_subject **subject);

/**
 * coax_subject_get, coax_subject_put - references. Any thread. With the last one, what was
 * published is withdrawn, and the subject is freed after an RCU grace period. put(NULL) does
 * nothing.
 */
struct coax_subject *coax_subject_get(struct coax_subject *subject);
void coax_subject_put(struct coax_subject *subject);

/**
 * coax_subject_generation - to be read before a representation is rendered. Any thread.
 */
uint64_t coax_subject_generation(const struct coax_subject *subject);

/**
 * coax_subject_changed - the state has changed: call it after the change is visible to renderers,
 * and before anybody is told of it.
 *
 * On return the kernel sends none of the former representations any more, and none that was
 * rendered from a generation read before. Any thread, in bounded time (one store sequence
 * a published pair, no system call).
 */
void coax_subject_changed(struct coax_subject *subject);

/* How the kernel half is loaded. A zeroed one means: not at all. */
struct coax_accel_options {
	const char *instance;	       /* NULL: "default"; the name below /sys/fs/bpf/coax/ */
	const char *const *interfaces; /* names */
	size_t interface_count;	       /* 0: no kernel half */
	bool generic;		       /* allow generic mode where native mode is refused */
	bool route_replies; /* answer only where the host's routes lead back the way it came */
	uint32_t slots;	    /* published replies at most; 0: 8192 */
	uint32_t exchanges; /* requests whose duplicates it knows, rounded up; 0: 16384 */
	uint32_t sessions;  /* DTLS sessions that it knows; 0: as many as the Context takes */
	uint32_t lease_ms;  /* 0: 3000 */
	/*
	 * Called by coax_context_create() when it has attached, or has given up to, or had not to:
	 * before it starts threads, so that they never have what only attaching needs. NULL:
	 * nothing is.
	 */
	void (*attached)(void *arg);
	void *arg;
	/*
	 * The instance's lock, handed over by its owner, which goes on until the interfaces are
	 * attached to (<coax/control.h>). 0: none, the owner of what is found is gone.
	 */
	int lock;
};

#endif
