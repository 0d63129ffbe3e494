/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * RCU for everybody: the flavour that registers threads by itself, so that an application's own
 * threads may call into the library.
 */
#ifndef COAX_RCU_H
#define COAX_RCU_H

#include <urcu-bp.h>
#include <urcu/rculfhash.h>

#endif
