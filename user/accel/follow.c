// SPDX-License-Identifier: BSD-2-Clause
/*
 * The keeper follows the host: interfaces that come, change and go, addresses likewise.
 */
#include <errno.h>
#include <string.h>
#include "accel/internal.h"

/* Returns 0 when the interface is attached. */
static int follow_interface(struct coax_accel *accel, struct accel_interface *interface,
			    const struct accel_snapshot *snapshot)
{
	const struct accel_link *link;
	int err;

	if (interface->off)
		return 0;
	if (interface->ifindex) {
		link = accel_snapshot_link(snapshot, interface->ifindex);
		if (link) {
			accel_interface_update(interface, link);
			return 0;
		}
		coax_log(&accel->logger, COAX_LOG_WARNING,
			 "%s is gone, and with it the XDP program", interface->name);
		accel_interface_close(accel, interface, false);
	}
	link = accel_snapshot_named(snapshot, interface->name);
	if (!link)
		return -ENODEV;
	if (link->ifindex == interface->refused)
		return -EOPNOTSUPP;
	err = accel_interface_attach(accel, interface, link);
	interface->refused = err ? link->ifindex : 0;
	return err;
}

int coax_accel_prepare(struct coax_accel *accel)
{
	struct accel_snapshot snapshot;
	const struct accel_link *link;
	int err;

	accel_libraries_log_to(&accel->logger);
	err = accel_snapshot_take(&snapshot);
	for (size_t i = 0; i < accel->interface_count && !err; i++) {
		link = accel_snapshot_named(&snapshot, accel->interfaces[i].name);
		if (link)
			err = accel_succeed_prepare(accel, &accel->interfaces[i], link);
	}
	accel_snapshot_free(&snapshot);
	accel_libraries_log_to(NULL);
	if (err)
		coax_log(&accel->logger, COAX_LOG_WARNING, "cannot take instance '%s' over: %s",
			 accel->instance, strerror(-err));
	return err;
}

int coax_accel_attach(struct coax_accel *accel)
{
	struct accel_snapshot snapshot;
	size_t attached = 0;
	int first = 0;
	int err;

	accel_libraries_log_to(&accel->logger);
	err = accel_snapshot_take(&snapshot);
	if (!err) {
		accel_endpoints_sync(accel, &snapshot);
		for (size_t i = 0; i < accel->interface_count; i++) {
			err = follow_interface(accel, &accel->interfaces[i], &snapshot);
			if (err == -ENODEV)
				coax_log(&accel->logger, COAX_LOG_WARNING,
					 "there is no interface '%s' (ip link lists them)",
					 accel->interfaces[i].name);
			attached += !err;
			first = first ? first : err;
		}
		accel_snapshot_free(&snapshot);
		err = attached ? 0 : first;
	} else {
		coax_log(&accel->logger, COAX_LOG_ERROR,
			 "cannot ask the kernel for its interfaces: %s", strerror(-err));
	}
	if (!err && accel->succeeds)
		err = accel_succeed_finish(accel);
	accel_libraries_log_to(NULL);
	if (!err)
		coax_accel_renew(accel, accel_now());
	return err;
}

int coax_accel_fd(const struct coax_accel *accel)
{
	return accel->netlink;
}

void coax_accel_process(struct coax_accel *accel)
{
	struct accel_privileges privileges;
	struct accel_snapshot snapshot;
	int err;

	if (!accel_netlink_drain(accel->netlink))
		return;
	pthread_mutex_lock(&accel->interfaces_lock);
	/* What becomes of interfaces is the other owner's business then. */
	if (accel->handed_over) {
		pthread_mutex_unlock(&accel->interfaces_lock);
		return;
	}
	accel_privileges_raise(&privileges);
	accel_libraries_log_to(&accel->logger);
	err = accel_snapshot_take(&snapshot);
	if (err) {
		/* Which addresses are ours is not known now: none. */
		coax_log(&accel->logger, COAX_LOG_ERROR,
			 "cannot ask the kernel for its addresses: %s; the XDP program answers "
			 "nothing until they change again",
			 strerror(-err));
		accel_endpoints_sync(accel, NULL);
	} else {
		accel_endpoints_sync(accel, &snapshot);
		for (size_t i = 0; i < accel->interface_count; i++)
			follow_interface(accel, &accel->interfaces[i], &snapshot);
		accel_snapshot_free(&snapshot);
	}
	accel_libraries_log_to(NULL);
	accel_privileges_lower(&privileges);
	pthread_mutex_unlock(&accel->interfaces_lock);
}

static struct accel_interface *find_interface(struct coax_accel *accel, const char *name)
{
	for (size_t i = 0; i < accel->interface_count; i++)
		if (strcmp(accel->interfaces[i].name, name) == 0)
			return &accel->interfaces[i];
	return NULL;
}

/* The one of that name, or a new one. */
static int obtain_interface(struct coax_accel *accel, const char *name,
			    struct accel_interface **interface)
{
	*interface = find_interface(accel, name);
	if (*interface)
		return (*interface)->ifindex ? -EALREADY : 0;
	if (!*name || strlen(name) >= IF_NAMESIZE)
		return -EINVAL;
	if (accel->interface_count == COAX_ATTACHMENTS_MAX)
		return -ENOSPC;
	*interface = &accel->interfaces[accel->interface_count++];
	memcpy((*interface)->name, name, strlen(name) + 1);
	return 0;
}

static int attach_to(struct coax_accel *accel, struct accel_interface *interface)
{
	struct accel_snapshot snapshot;
	int err = accel_snapshot_take(&snapshot);

	if (err)
		return err;
	interface->off = false;
	interface->refused = 0;
	err = follow_interface(accel, interface, &snapshot);
	/* Whose a link-local address is depends on the interfaces. */
	accel_endpoints_sync(accel, &snapshot);
	accel_snapshot_free(&snapshot);
	return err;
}

/* A new one that cannot be had is not waited for. */
static void forget_new(struct coax_accel *accel, size_t former_count)
{
	if (accel->interface_count == former_count)
		return;
	accel->interface_count = former_count;
	accel->interfaces[former_count] = (struct accel_interface){.link_fd = -1};
}

int coax_accel_attach_to(struct coax_accel *accel, const char *name)
{
	struct accel_privileges privileges;
	struct accel_interface *interface;
	size_t count;
	int err;

	pthread_mutex_lock(&accel->interfaces_lock);
	accel_privileges_raise(&privileges);
	accel_libraries_log_to(&accel->logger);
	count = accel->interface_count;
	err = obtain_interface(accel, name, &interface);
	if (!err)
		err = attach_to(accel, interface);
	if (err)
		forget_new(accel, count);
	accel_libraries_log_to(NULL);
	accel_privileges_lower(&privileges);
	pthread_mutex_unlock(&accel->interfaces_lock);
	return err;
}

int coax_accel_detach_from(struct coax_accel *accel, const char *name)
{
	struct accel_privileges privileges;
	struct accel_interface *interface;
	int err = 0;

	pthread_mutex_lock(&accel->interfaces_lock);
	accel_privileges_raise(&privileges);
	accel_libraries_log_to(&accel->logger);
	interface = find_interface(accel, name);
	if (!interface)
		err = -ENODEV;
	else if (interface->off)
		err = -EALREADY;
	if (!err) {
		/* One that is not there now is not attached to when it comes. */
		interface->off = true;
		accel_interface_close(accel, interface, true);
		coax_log(&accel->logger, COAX_LOG_INFO, "%s: XDP program detached", name);
	}
	accel_libraries_log_to(NULL);
	accel_privileges_lower(&privileges);
	pthread_mutex_unlock(&accel->interfaces_lock);
	return err;
}
