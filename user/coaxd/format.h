/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Content-Formats by file name extension, and back.
 */
#ifndef COAXD_FORMAT_H
#define COAXD_FORMAT_H

#include <stdint.h>

/* The format of a file by its name, letter case ignored; application/octet-stream if in doubt. */
uint16_t coaxd_format_of(const char *name);

/* The extension, with its dot, that stands for a format; NULL: none does. */
const char *coaxd_format_extension(uint32_t format);

#endif
