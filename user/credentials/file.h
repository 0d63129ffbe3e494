/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Files that may hold secrets.
 */
#ifndef COAX_CREDENTIALS_FILE_H
#define COAX_CREDENTIALS_FILE_H

#include <stddef.h>

/*
 * Read a whole file of at most `max` bytes, and terminate it; to be given back by
 * coax_secret_file_free(). No copy stays anywhere else. Returns 0, -EFBIG, -ENOMEM, or what opening
 * and reading say.
 */
int coax_secret_file_read(const char *name, size_t max, char **text, size_t *length);

/* Cleanse and free it. NULL: nothing. */
void coax_secret_file_free(char *text, size_t length);

#endif
