/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Times are nanoseconds; these make them of what people write.
 */
#ifndef COAX_CLOCK_H
#define COAX_CLOCK_H

#define NS_PER_MS  1000000ULL
#define NS_PER_SEC 1000000000ULL

#endif
