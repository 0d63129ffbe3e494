/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Private keys in PEM. OpenSSL's own readers give back memory with the key still in it
 * (d2i_ECPrivateKey() and the decoders of 3.0 do): this leaves none.
 */
#ifndef COAX_CREDENTIALS_PRIVATE_KEY_H
#define COAX_CREDENTIALS_PRIVATE_KEY_H

#include <openssl/evp.h>

/*
 * The first key in a text, "PRIVATE KEY" (RFC 5958) or "EC PRIVATE KEY" (RFC 5915), of P-256 or
 * P-384. NULL: there is none such, or no memory.
 */
EVP_PKEY *coax_private_key_read(const char *text);

#endif
