/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libcoax, all of it.
 */
#ifndef COAX_COAX_H
#define COAX_COAX_H

#include <coax/accel.h>
#include <coax/access.h>
#include <coax/address.h>
#include <coax/block.h>
#include <coax/body.h>
#include <coax/claims.h>
#include <coax/context.h>
#include <coax/control.h>
#include <coax/credentials.h>
#include <coax/guard.h>
#include <coax/link.h>
#include <coax/log.h>
#include <coax/message.h>
#include <coax/observation.h>
#include <coax/observer.h>
#include <coax/option.h>
#include <coax/queue.h>
#include <coax/request.h>
#include <coax/responder.h>
#include <coax/site.h>
#include <coax/uri.h>
#include <coax/wire.h>

#endif
