/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is said of a client's answer.
 */
#ifndef COAX_REPORT_H
#define COAX_REPORT_H

#include <jansson.h>
#include "client.h"

/*
 * The answer as an object: code, name, class, type, options, payload or payload_hex, remote,
 * time_ms. `payload` NULL: without it; else it may be elsewhere than in the answer.
 */
json_t *report_json(const struct client *client, const void *payload, size_t length);

/*
 * A payload on standard output: shown by what it is on a terminal, byte by byte otherwise. `lines`:
 * it is one of several, which newlines keep apart.
 */
void report_payload(const struct client *client, const void *payload, size_t length, bool lines);

/* What a success says besides its payload, on stderr. */
void report_success(const struct client *client);

/* Code and diagnostic payload (RFC 7252 section 5.5.2) of an unsuccessful answer, on stderr. */
void report_failure(const struct client *client);

#endif
