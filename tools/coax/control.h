/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Errands for a running coaxd.
 */
#ifndef COAX_TOOL_CONTROL_H
#define COAX_TOOL_CONTROL_H

#include <jansson.h>
#include "tool.h"

/*
 * Have the daemon of an instance do something (user/control_socket.h). Returns TOOL_OK with what it
 * counted or, having said why, TOOL_LOCAL_ERROR.
 */
int control_ask(const struct tool *tool, const char *instance, const char *verb,
		const char *argument, size_t *count);

/*
 * What the daemon counts, an object by the names that its /metrics has too. NULL: it does not
 * answer, is of a version that does not know, or does not let us.
 */
json_t *control_figures(const char *instance);

#endif
