/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a service manager is told, as systemd's sd_notify(3) says: by datagrams to $NOTIFY_SOCKET.
 * That is a stable interface, which other programs may implement themselves (ibidem, "Notes").
 */
#ifndef COAXD_NOTIFY_H
#define COAXD_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>
#include <coax/context.h>

/*
 * Tell it something: "READY=1\nSTATUS=..." Without a manager that listens, nothing happens. One
 * that does not take it is not waited for.
 */
__attribute__((format(printf, 1, 2))) void coaxd_notify(const char *format, ...);

/* "RELOADING=1", with the time that belongs to it; "READY=1" is to follow. */
void coaxd_notify_reloading(void);

/*
 * How often it wants a sign of life, in ms: half of what $WATCHDOG_USEC says, which is when it
 * acts. 0: not.
 */
uint32_t coaxd_notify_interval(void);

/*
 * Give it, if all the Context's workers give one; it does not wait long for them. Returns whether
 * they did.
 */
bool coaxd_notify_alive(struct coax_context *context);

#endif
