/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The text of a configuration file, fit for libConfuse: 3.3 counts the lines of comments wrongly
 * and dies of empty ones, ends the process when it cannot read, and takes no notice of what is not
 * closed. So it is given neither.
 */
#ifndef COAXD_CONFIG_TEXT_H
#define COAXD_CONFIG_TEXT_H

#include "coaxd/problems.h"

/* Returns the file's text with its comments blanked, to be freed; NULL: what is wrong was said. */
char *coaxd_config_text(const char *file, struct coaxd_problems *problems);

#endif
