/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Log lines for systemd's journal.
 */
#ifndef COAXD_JOURNAL_H
#define COAXD_JOURNAL_H

#include <coax/log.h>

/*
 * If stderr leads to the journal ($JOURNAL_STREAM, systemd.exec(5)), have the lines say their level
 * as it wants it: "<4>text" (sd-daemon(3)). Elsewhere they stay as they are.
 */
void coaxd_journal_use(struct coax_logger *logger);

#endif
