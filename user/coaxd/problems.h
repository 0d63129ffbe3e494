/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is wrong with a configuration: each problem is said, at ERROR, and the first one is kept for
 * who asked.
 */
#ifndef COAXD_PROBLEMS_H
#define COAXD_PROBLEMS_H

#include <coax/log.h>

struct coaxd_problems {
	const struct coax_logger *logger;
	unsigned int count;
	char first[512];
};

__attribute__((format(printf, 2, 3))) void coaxd_problem(struct coaxd_problems *problems,
							 const char *format, ...);

#endif
