/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a process has in memory; and what sessions take of it when there is nothing but OpenSSL.
 */
#ifndef BENCH_RESIDENT_H
#define BENCH_RESIDENT_H

#include "secure.h"

/* The resident set of a process, 0 for this one, or below 0. */
double resident_bytes(pid_t pid);

/*
 * Bytes that OpenSSL's bare object takes for an established session of a server, in this process,
 * by so many of them; below 0: they could not be made. With the options' key.
 */
double resident_of_openssl(const struct secure_options *options, unsigned int count);

#endif
