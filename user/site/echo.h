/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Requests that have to be fresh: the Echo option (RFC 9175 section 2), as an integrity protected
 * timestamp (its appendix A) that is good for one endpoint.
 */
#ifndef COAX_SITE_ECHO_H
#define COAX_SITE_ECHO_H

#include "site/responder.h"

/*
 * Whether the request is proven to have been made within the last `fresh_ms`: by an Echo option
 * that is no older, or by not having come over a network. Otherwise it has been answered 4.01 with
 * a new Echo, to be sent along with the next try.
 */
bool coax_echo_is_fresh(struct coax_responder *responder, uint32_t fresh_ms);

/* The two halves of that: whether there is such an Echo option, and the answer. */
bool coax_echo_is_proven(const struct coax_responder *responder, uint32_t fresh_ms);
void coax_echo_challenge(struct coax_responder *responder);

#endif
