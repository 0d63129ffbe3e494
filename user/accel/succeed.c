// SPDX-License-Identifier: BSD-2-Clause
/*
 * Taking over from an owner that lives, and has handed its instance over. Until then its program
 * answers from its maps, and what it publishes is its to withdraw: ours are empty, whatever layout
 * either has. Then program and names change places at once.
 */
#include <errno.h>
#include <linux/if_link.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include "accel/internal.h"
#include "bpf/coax.skel.h"

int accel_succeed_prepare(struct coax_accel *accel, struct accel_interface *interface,
			  const struct accel_link *link)
{
	int err;

	interface->link_fd = accel_bpf_link_find(accel, link->ifindex);
	if (interface->link_fd < 0)
		return 0;
	err = accel_program_open(accel, &interface->program);
	if (!err)
		err = accel_interface_load(interface);
	if (err)
		accel_interface_close(accel, interface, false);
	return err;
}

static enum coax_rung rung_of(uint32_t ifindex)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, attached);

	if (bpf_xdp_query((int)ifindex, 0, &attached) == 0 &&
	    attached.attach_mode == XDP_ATTACHED_SKB)
		return COAX_RUNG_GENERIC;
	return COAX_RUNG_NATIVE;
}

int accel_succeed_attach(struct coax_accel *accel, struct accel_interface *interface,
			 const struct accel_link *link)
{
	int err;

	if (interface->link_fd < 0) {
		/* Beside the former one, if there is room, else in its place. */
		if (accel->succeeds && !accel_runs_dispatcher(link->ifindex))
			accel_leftovers_detach(accel, link->ifindex, accel->former_id);
		return -ENOENT;
	}
	accel_interface_update(interface, link);
	err = bpf_link_update(interface->link_fd,
			      bpf_program__fd(interface->program->progs.coax_xdp), NULL);
	if (err) {
		accel_interface_close(accel, interface, true);
		return err;
	}
	interface->ifindex = link->ifindex;
	interface->rung = rung_of(link->ifindex);
	return 0;
}

int accel_succeed_finish(struct coax_accel *accel)
{
	int err = accel_pins_publish(accel);

	accel->succeeds = false;
	accel_bpf_links_clear(accel);
	for (size_t i = 0; i < COAX_ATTACHMENTS_MAX; i++)
		if (accel->former.attachments[i].ifindex)
			accel_leftovers_detach(accel, accel->former.attachments[i].ifindex,
					       accel->former_id);
	if (err)
		coax_log(&accel->logger, COAX_LOG_WARNING, "cannot swap the maps in %s: %s",
			 accel->directory, strerror(-err));
	else
		coax_log(&accel->logger, COAX_LOG_INFO, "took over instance '%s' from pid %u",
			 accel->instance, accel->former.pid);
	return err;
}

static void reclaim(struct coax_accel *accel, struct accel_interface *interface, uint32_t pid)
{
	int err;

	/* In a dispatcher it has put its program beside ours, or has ours taken off: begin anew. */
	if (interface->link_fd < 0) {
		if (interface->ifindex && pid)
			accel_successor_detach(accel, interface->ifindex, pid);
		accel_interface_close(accel, interface, true);
		return;
	}
	err = bpf_link_update(interface->link_fd,
			      bpf_program__fd(interface->program->progs.coax_xdp), NULL);

	if (err)
		coax_log(
			&accel->logger, COAX_LOG_WARNING,
			"%s: the XDP program is lost to a process that did not take over: %s; coax "
			"detach, and coax attach then, bring it back",
			interface->name, strerror(-err));
}

void coax_accel_reclaim(struct coax_accel *accel, uint32_t pid)
{
	struct accel_privileges privileges;
	int err;

	pthread_mutex_lock(&accel->interfaces_lock);
	accel_privileges_raise(&privileges);
	accel_libraries_log_to(&accel->logger);
	for (size_t i = 0; i < accel->interface_count; i++)
		reclaim(accel, &accel->interfaces[i], pid);
	/* Those of ours may have been removed with their names. */
	accel_pins_withdraw(accel);
	err = accel_pins_create(accel, accel->shared->obj);
	if (!err)
		err = accel_pins_publish(accel);
	accel_follow(accel);
	accel_libraries_log_to(NULL);
	accel_privileges_lower(&privileges);
	accel_interfaces_unlock(accel);
	if (err)
		coax_log(&accel->logger, COAX_LOG_WARNING, "the pins in %s are lost: %s",
			 accel->directory, strerror(-err));
}
