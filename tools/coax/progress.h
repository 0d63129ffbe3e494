/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How far a long transfer is, as one line on standard error when that is a terminal.
 */
#ifndef COAX_PROGRESS_H
#define COAX_PROGRESS_H

#include "tool.h"

struct progress {
	bool wanted;
	bool shown;	/* there is a line to wipe out */
	uint64_t began; /* ns */
	uint64_t drawn; /* when last */
};

void progress_begin(struct progress *progress, const struct tool *tool);
/* So many bytes of `total` (0: unknown) are there. Transfers that are soon over show nothing. */
void progress_step(struct progress *progress, uint64_t done, uint64_t total);
void progress_end(struct progress *progress);

#endif
