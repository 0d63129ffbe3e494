/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether texts in PEM are what they are said to be: found out while it can still be told in which
 * file and line. Each function returns NULL or what is wrong, for people.
 */
#ifndef COAX_CREDENTIALS_PEM_H
#define COAX_CREDENTIALS_PEM_H

#include <openssl/evp.h>

const char *coax_pem_check_certificates(const char *text);
const char *coax_pem_check_private_key(const char *text);
const char *coax_pem_check_public_key(const char *text);
const char *coax_pem_check_revoked(const char *text);

/* The first public key in a text. NULL: there is none such, or no memory. */
EVP_PKEY *coax_public_key_read(const char *text);

/*
 * Read a file to *text, which is to be cleansed and freed. Returns 0, or a negative errno and says
 * what is wrong for people.
 */
int coax_pem_read(const char *file, char **text, const char **problem);

/* Whether a private key is that of the first certificate. Both have been checked by themselves. */
const char *coax_pem_check_pair(const char *chain, const char *key);

#endif
