/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How claims come to be.
 */
#ifndef COAX_CREDENTIALS_CLAIMS_H
#define COAX_CREDENTIALS_CLAIMS_H

#include <coax/claims.h>

/*
 * A copy of `claims` and of all that they point to, in one piece of memory, held once. NULL: no
 * memory. Any thread.
 */
const struct coax_claims *coax_claims_create(const struct coax_claims *claims);

#endif
