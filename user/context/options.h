/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef COAX_CONTEXT_OPTIONS_H
#define COAX_CONTEXT_OPTIONS_H

#include "worker.h"

/* Whether a Context made so is a server: what differs by default. */
bool coax_options_are_servers(const struct coax_context_options *options);

/*
 * Set in a new Context what needs nothing to be opened. Returns 0, -EINVAL or -EPROTONOSUPPORT, and
 * has logged why.
 */
int coax_options_apply(struct coax_context *context, const struct coax_context_options *options);

#endif
