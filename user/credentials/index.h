/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * By what entries are found.
 */
#ifndef COAX_CREDENTIALS_INDEX_H
#define COAX_CREDENTIALS_INDEX_H

#include "credentials/set.h"

/* Where in a URI, or a pattern of one, scheme and authority end. */
size_t coax_uri_authority_end(const char *uri);

/* As coax_credentials_accept(), of an entry with a pre-shared key. */
int coax_identities_add(struct coax_credentials *credentials,
			const struct coax_credential *credential,
			const struct coax_credential **other);

#endif
