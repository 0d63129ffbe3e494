/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Contexts for tests.
 */
#ifndef COAX_TEST_CONTEXT_H
#define COAX_TEST_CONTEXT_H

#include <coax/coax.h>
#include "harness.h"

/* What the options leave open: it serves at a port of 127.0.0.1, and logs nothing. */
static inline struct coax_context *context_open(struct coax_context_options options)
{
	static const char *const loopback = "127.0.0.1:0";
	struct coax_context *context;

	if (!options.bind_count) {
		options.bind = &loopback;
		options.bind_count = 1;
	}
	if (!options.logger.write && !options.logger.from)
		options.logger.from = COAX_LOG_ERROR + 1;
	ASSERT_EQ(coax_context_create(&context, &options), 0);
	return context;
}

#endif
