/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Payloads, shown by what they are, for people. What could drive a terminal is escaped.
 */
#ifndef COAX_SHOW_H
#define COAX_SHOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* No Content-Format option: what the bytes look like. */
#define SHOW_FORMAT_UNKNOWN (-1)

/*
 * Show a payload of this Content-Format, with a newline at the end: text as it is, link-format
 * a link a line, JSON indented, CBOR in diagnostic notation (RFC 8949 section 8), everything else,
 * and what is not what it says to be, as a hex dump. Nothing for a length of 0.
 */
void show_payload(FILE *to, int format, const void *data, size_t length);

/*
 * One way each; without a newline at the end. False: the bytes are no such thing, and what has
 * been written is to be thrown away.
 */
bool show_text(FILE *to, const void *data, size_t length);
bool show_json(FILE *to, const void *data, size_t length);
bool show_cbor(FILE *to, const void *data, size_t length);
bool show_cbor_sequence(FILE *to, const void *data, size_t length);
bool show_link(FILE *to, const void *data, size_t length);
bool show_hex(FILE *to, const void *data, size_t length);

#endif
