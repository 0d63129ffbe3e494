// SPDX-License-Identifier: BSD-2-Clause
/*
 * The keeper follows the host: interfaces that come, change and go, addresses likewise.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "accel/internal.h"

/* A port that its bridge blocks now is nothing to worry about. */
static bool is_bad(enum accel_obstacle obstacle)
{
	return obstacle != ACCEL_OBSTACLE_NONE && obstacle != ACCEL_OBSTACLE_BLOCKED;
}

/* Said once, until something else is in the way. */
static void say_obstacle(const struct coax_accel *accel, struct accel_interface *interface,
			 const struct accel_link *link)
{
	enum accel_obstacle obstacle = interface->place.obstacle;
	const char *consequence = "XDP program not attached";
	char why[192];

	if (obstacle == interface->said)
		return;
	interface->said = obstacle;
	if (interface->ifindex)
		consequence = obstacle == ACCEL_OBSTACLE_NONE ? "answered on again"
							      : "nothing is answered there";
	accel_place_explain(&interface->place, link, why, sizeof(why));
	coax_log(&accel->logger, is_bad(obstacle) ? COAX_LOG_WARNING : COAX_LOG_INFO, "%s: %s: %s",
		 link->name, consequence, why);
}

static struct coax_attachment *attachment_of(const struct coax_accel *accel,
					     const struct accel_interface *interface)
{
	return &accel->config->attachments[interface - accel->interfaces];
}

static void follow_attached(const struct coax_accel *accel, struct accel_interface *interface,
			    const struct accel_link *link)
{
	struct coax_attachment *attachment = attachment_of(accel, interface);

	accel_interface_update(interface, link);
	say_obstacle(accel, interface, link);
	__atomic_store_n(&attachment->silent, interface->place.obstacle != ACCEL_OBSTACLE_NONE,
			 __ATOMIC_RELAXED);
	if (strcmp(attachment->name, link->name) == 0)
		return;
	coax_log(&accel->logger, COAX_LOG_INFO, "%s has become %s", attachment->name, link->name);
	memcpy(attachment->name, link->name, sizeof(attachment->name));
}

static bool was_refused(const struct accel_interface *interface, const struct accel_link *link)
{
	return interface->refused == link->ifindex && interface->refused_mtu == link->mtu &&
	       interface->refused_taken == link->taken;
}

/* Returns 0, -EAGAIN when what is in the way may go, or another negative errno. */
static int attach_if_free(struct coax_accel *accel, struct accel_interface *interface,
			  const struct accel_link *link)
{
	int err;

	if (was_refused(interface, link))
		return -EOPNOTSUPP;
	if (is_bad(interface->place.obstacle)) {
		say_obstacle(accel, interface, link);
		return -EAGAIN;
	}
	interface->said = ACCEL_OBSTACLE_NONE;
	err = accel_interface_attach(accel, interface, link);
	if (!err)
		follow_attached(accel, interface, link);
	interface->refused = err ? link->ifindex : 0;
	interface->refused_mtu = link->mtu;
	interface->refused_taken = link->taken;
	return err;
}

/* Returns 0 when the interface is attached; -ENODEV: it may come; or as attach_if_free(). */
static int follow_interface(struct coax_accel *accel, struct accel_interface *interface,
			    const struct accel_snapshot *snapshot)
{
	const struct accel_link *link = accel_snapshot_link(snapshot, interface->ifindex);

	if (interface->off)
		return 0;
	if (interface->ifindex && link) {
		accel_place_find(snapshot, link, &interface->place);
		follow_attached(accel, interface, link);
		return 0;
	}
	if (interface->ifindex) {
		coax_log(&accel->logger, COAX_LOG_WARNING,
			 "%s is gone, and with it the XDP program",
			 attachment_of(accel, interface)->name);
		accel_interface_close(accel, interface, false);
		interface->said = ACCEL_OBSTACLE_NONE;
	}
	link = accel_snapshot_named(snapshot, interface->name);
	if (!link)
		return -ENODEV;
	accel_place_find(snapshot, link, &interface->place);
	return attach_if_free(accel, interface, link);
}

static bool forwards(const char *family)
{
	char path[64];
	FILE *file;
	bool yes;

	snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/lo/forwarding", family);
	file = fopen(path, "re");
	if (!file)
		return false;
	yes = getc(file) == '1';
	fclose(file);
	return yes;
}

/* bpf_fib_lookup() knows ways only on a host that forwards. */
static void check_forwarding(const struct coax_accel *accel)
{
	bool ipv4 = forwards("ipv4"), ipv6 = forwards("ipv6");

	if (ipv4 && ipv6)
		return;
	coax_log(&accel->logger, COAX_LOG_WARNING,
		 "replies go by the host's routes, and it does not forward %s: the kernel answers "
		 "no requests over that (sysctl net.ipv4.ip_forward, net.ipv6.conf.all.forwarding)",
		 ipv4	? "IPv6"
		 : ipv6 ? "IPv4"
			: "IPv4 and IPv6");
}

int coax_accel_prepare(struct coax_accel *accel)
{
	struct accel_snapshot snapshot;
	const struct accel_link *link;
	int err;

	accel_libraries_log_to(&accel->logger);
	err = accel_snapshot_take(&snapshot);
	for (size_t i = 0; i < accel->interface_count && !err; i++) {
		struct accel_interface *interface = &accel->interfaces[i];

		link = accel_snapshot_named(&snapshot, interface->name);
		if (!link)
			continue;
		accel_place_find(&snapshot, link, &interface->place);
		if (!is_bad(interface->place.obstacle))
			err = accel_succeed_prepare(accel, interface, link);
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
	bool hope = false;
	int first = 0;
	int err;

	if (accel->route_replies)
		check_forwarding(accel);
	accel_libraries_log_to(&accel->logger);
	err = accel_snapshot_take(&snapshot);
	if (!err) {
		accel_endpoints_sync(accel, &snapshot);
		for (size_t i = 0; i < accel->interface_count; i++) {
			err = follow_interface(accel, &accel->interfaces[i], &snapshot);
			if (err == -ENODEV)
				coax_log(&accel->logger, COAX_LOG_WARNING,
					 "there is no interface '%s' (ip link lists them); the XDP "
					 "program is attached when it comes",
					 accel->interfaces[i].name);
			hope |= !err || err == -ENODEV || err == -EAGAIN;
			first = first ? first : err;
		}
		accel_snapshot_free(&snapshot);
		err = hope ? 0 : first;
	} else {
		coax_log(&accel->logger, COAX_LOG_ERROR,
			 "cannot ask the kernel for its interfaces: %s", strerror(-err));
	}
	if (!err && accel->succeeds) {
		accel_exchanges_inherit(accel);
		err = accel_succeed_finish(accel);
	}
	accel_libraries_log_to(NULL);
	if (!err)
		coax_accel_renew(accel, accel_now());
	return err;
}

int coax_accel_fd(const struct coax_accel *accel)
{
	return accel->netlink;
}

void accel_follow(struct coax_accel *accel)
{
	struct accel_snapshot snapshot;
	int err = accel_snapshot_take(&snapshot);

	if (err) {
		/* Which addresses are ours is not known now: none. */
		coax_log(&accel->logger, COAX_LOG_ERROR,
			 "cannot ask the kernel for its addresses: %s; the XDP program answers "
			 "nothing until they change again",
			 strerror(-err));
		accel_endpoints_sync(accel, NULL);
		return;
	}
	accel_endpoints_sync(accel, &snapshot);
	for (size_t i = 0; i < accel->interface_count; i++)
		follow_interface(accel, &accel->interfaces[i], &snapshot);
	accel_snapshot_free(&snapshot);
}

/* With the lock held. */
static void follow_host(struct coax_accel *accel)
{
	struct accel_privileges privileges;

	/* What becomes of interfaces is the other owner's business then. */
	if (accel->handed_over)
		return;
	accel_privileges_raise(&privileges);
	accel_libraries_log_to(&accel->logger);
	accel_follow(accel);
	accel_libraries_log_to(NULL);
	accel_privileges_lower(&privileges);
}

/* Who has the lock meanwhile does it, having let go. */
static void catch_up(struct coax_accel *accel)
{
	for (;;) {
		/* Pairs with itself: the flag, then the lock; the lock let go, then the flag. */
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (!__atomic_load_n(&accel->behind, __ATOMIC_RELAXED) ||
		    pthread_mutex_trylock(&accel->interfaces_lock))
			return;
		if (__atomic_exchange_n(&accel->behind, false, __ATOMIC_RELAXED))
			follow_host(accel);
		pthread_mutex_unlock(&accel->interfaces_lock);
	}
}

void accel_interfaces_unlock(struct coax_accel *accel)
{
	pthread_mutex_unlock(&accel->interfaces_lock);
	catch_up(accel);
}

void coax_accel_process(struct coax_accel *accel)
{
	if (!accel_netlink_drain(accel->netlink))
		return;
	__atomic_store_n(&accel->behind, true, __ATOMIC_RELAXED);
	catch_up(accel);
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
	interface->said = ACCEL_OBSTACLE_NONE;
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
	accel_interfaces_unlock(accel);
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
	accel_interfaces_unlock(accel);
	return err;
}
