/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef COAX_DIAGNOSTIC_H
#define COAX_DIAGNOSTIC_H

#include <stddef.h>

/*
 * Make bytes fit for a diagnostic payload (RFC 7252 section 5.5.2): what is not UTF-8 (RFC 3629),
 * and control characters, become '?'; a character that has been cut off at the end goes. Returns
 * the length that is left.
 */
size_t coax_diagnostic_clean(char *text, size_t length);

#endif
