/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rtnetlink(7): being told of the host's links, addresses, ....
 */
#ifndef COAX_RTNETLINK_H
#define COAX_RTNETLINK_H

#include <stdint.h>

/* A socket for what the kernel tells these groups (RTMGRP_LINK, ...), or a negative errno. */
int coax_rtnetlink_listen(uint32_t groups);

#endif
