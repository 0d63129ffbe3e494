/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * coaxd --check: whether a daemon would start so, without starting one.
 */
#ifndef COAXD_CHECK_H
#define COAXD_CHECK_H

#include "coaxd/options.h"

/*
 * Say what else is wrong, and on stdout if nothing is. `options` NULL: there have been problems
 * before. Returns how many there are in all.
 */
unsigned int coaxd_check(const struct coaxd_options *options, struct coaxd_problems *problems);

#endif
