// SPDX-License-Identifier: BSD-2-Clause
/*
 * The ladder: libxdp's dispatcher, alone in native mode, generic mode when asked for, not at all.
 */
#include <errno.h>
#include <linux/if_link.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <xdp/libxdp.h>
#include "accel/internal.h"
#include "bpf/coax.skel.h"

void accel_interface_update(struct accel_interface *interface, const struct accel_link *link)
{
	const struct accel_place *place = &interface->place;
	struct coax_link_state now = {.mtu = link->mtu > UINT16_MAX ? UINT16_MAX
								    : (uint16_t)link->mtu};
	const uint32_t only = 0;
	uint64_t word;
	int err;

	err = bpf_map_update_elem(bpf_map__fd(interface->program->maps.data_place), &only,
				  &place->program, BPF_ANY);
	if (!err && place->obstacle == ACCEL_OBSTACLE_NONE)
		memcpy(now.mac, place->mac, sizeof(now.mac));
	/* In one store, so that no packet meets half of it. */
	memcpy(&word, &now, sizeof(word));
	__atomic_store_n((uint64_t *)(void *)interface->link, word, __ATOMIC_RELAXED);
}

static int map_link(struct accel_interface *interface)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *memory = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED,
			    bpf_map__fd(interface->program->maps.data_link), 0);

	_Static_assert(sizeof(struct coax_link_state) == sizeof(uint64_t), "one store");
	if (memory == MAP_FAILED)
		return -errno;
	interface->link = memory;
	return 0;
}

static uint32_t mode_flags(enum coax_rung rung)
{
	return rung == COAX_RUNG_GENERIC ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE;
}

static void detach(const struct coax_accel *accel, struct accel_interface *interface)
{
	struct xdp_program *dispatched = interface->dispatched;
	LIBBPF_OPTS(bpf_xdp_attach_opts, options);

	if (accel->handed_over)
		return;
	if (interface->rung == COAX_RUNG_DISPATCHER) {
		xdp_program__detach(dispatched, (int)interface->ifindex, XDP_MODE_NATIVE, 0);
		return;
	}
	/* Only if it is this program still. */
	options.old_prog_fd = bpf_program__fd(interface->program->progs.coax_xdp);
	bpf_xdp_detach((int)interface->ifindex, mode_flags(interface->rung), &options);
}

void accel_interface_close(struct coax_accel *accel, struct accel_interface *interface,
			   bool take_off)
{
	struct coax_attachment *attachment;

	if (interface->link_fd >= 0)
		accel_bpf_link_close(accel, interface);
	else if (interface->ifindex && take_off)
		detach(accel, interface);
	if (interface->link) {
		/* It may run on: an interface takes it along to another network namespace. */
		__atomic_store_n((uint64_t *)(void *)interface->link, 0, __ATOMIC_RELAXED);
		munmap(interface->link, (size_t)sysconf(_SC_PAGESIZE));
	}
	xdp_program__close(interface->dispatched);
	coax_bpf__destroy(interface->program);
	interface->link = NULL;
	interface->dispatched = NULL;
	interface->program = NULL;
	interface->ifindex = 0;
	interface->rung = COAX_RUNG_NONE;

	attachment = &accel->config->attachments[interface - accel->interfaces];
	/* Workers ask it whether the kernel looks at what comes in there. */
	__atomic_store_n(&attachment->ifindex, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&attachment->silent, 0, __ATOMIC_RELAXED);
	attachment->rung = COAX_RUNG_NONE;
	memset(attachment->name, 0, sizeof(attachment->name));
}

bool accel_runs_dispatcher(uint32_t ifindex)
{
	struct xdp_multiprog *attached = xdp_multiprog__get_from_ifindex((int)ifindex);
	bool dispatcher;

	if (libxdp_get_error(attached))
		return false;
	dispatcher = !xdp_multiprog__is_legacy(attached);
	xdp_multiprog__close(attached);
	return dispatcher;
}

static int attach_dispatched(struct accel_interface *interface, uint32_t ifindex)
{
	DECLARE_LIBXDP_OPTS(xdp_program_opts, options);
	LIBBPF_OPTS(bpf_xdp_attach_opts, replaced);
	struct xdp_program *program;
	int err;

	options.obj = interface->program->obj;
	options.prog_name = COAX_PROGRAM_NAME;
	program = xdp_program__create(&options);
	err = (int)libxdp_get_error(program);
	if (err)
		return err;
	interface->dispatched = program;
	err = xdp_program__attach(program, (int)ifindex, XDP_MODE_NATIVE, 0);
	if (err)
		return err;
	/* libxdp falls back without saying so; what is alone is attached by a link. */
	if (!accel_runs_dispatcher(ifindex)) {
		replaced.old_prog_fd = xdp_program__fd(program);
		bpf_xdp_detach((int)ifindex, XDP_FLAGS_DRV_MODE, &replaced);
		return -EOPNOTSUPP;
	}
	interface->rung = COAX_RUNG_DISPATCHER;
	return 0;
}

int accel_interface_load(struct accel_interface *interface)
{
	int err = bpf_object__load(interface->program->obj);

	return err ? err : map_link(interface);
}

static int attach_alone(const struct coax_accel *accel, struct accel_interface *interface,
			uint32_t ifindex, enum coax_rung rung)
{
	int err = accel_interface_load(interface);

	if (!err)
		err = accel_bpf_link_attach(accel, interface, ifindex, mode_flags(rung));
	if (!err)
		interface->rung = rung;
	return err;
}

/* Each try wants a program that was not loaded before: libxdp changes its type. */
static int attach_by(struct coax_accel *accel, struct accel_interface *interface,
		     const struct accel_link *link, enum coax_rung rung)
{
	int err = accel_program_open(accel, &interface->program);

	if (!err)
		err = rung == COAX_RUNG_DISPATCHER
			      ? attach_dispatched(interface, link->ifindex)
			      : attach_alone(accel, interface, link->ifindex, rung);
	if (!err) {
		interface->ifindex = link->ifindex;
		err = interface->link ? 0 : map_link(interface);
	}
	if (err)
		accel_interface_close(accel, interface, true);
	else
		accel_interface_update(interface, link);
	return err;
}

/* A program of somebody else's that leaves no room for ours. Says so. */
static bool is_taken(const struct coax_accel *accel, const struct accel_link *link)
{
	struct xdp_multiprog *attached = xdp_multiprog__get_from_ifindex((int)link->ifindex);
	struct xdp_program *program;
	bool taken;

	if (libxdp_get_error(attached))
		return false;
	program = xdp_multiprog__main_prog(attached);
	taken = program && xdp_multiprog__is_legacy(attached);
	if (taken)
		coax_log(&accel->logger, COAX_LOG_WARNING,
			 "%s: another XDP program is attached ('%s', id %u) and leaves no room "
			 "for ours; to take it off: ip link set dev %s xdp%s off",
			 link->name, xdp_program__name(program), xdp_program__id(program),
			 link->name,
			 xdp_multiprog__attach_mode(attached) == XDP_MODE_SKB ? "generic" : "");
	xdp_multiprog__close(attached);
	return taken;
}

static int climb_down(struct coax_accel *accel, struct accel_interface *interface,
		      const struct accel_link *link)
{
	int err = -EPERM;

	/* libxdp looks for what is there by number, which takes more than attaching does. */
	if (accel_privileges_are_full())
		err = attach_by(accel, interface, link, COAX_RUNG_DISPATCHER);

	if (!err)
		return 0;
	coax_log(&accel->logger, COAX_LOG_INFO,
		 "%s: not attached beside other programs: libxdp says %s%s; trying alone",
		 link->name, strerror(-err),
		 err == -ENOENT ? " (is its xdp-dispatcher.o installed?)" : "");
	err = attach_by(accel, interface, link, COAX_RUNG_NATIVE);
	if (!err || !accel->generic)
		return err;
	coax_log(&accel->logger, COAX_LOG_INFO, "%s: not attached in native mode: %s", link->name,
		 strerror(-err));
	return attach_by(accel, interface, link, COAX_RUNG_GENERIC);
}

static void say_refused(const struct coax_accel *accel, const struct accel_link *link, int err)
{
	const char *complaint = accel_libraries_complaint();
	const char *advice = "";

	if (err == -EPERM || err == -EACCES)
		advice = ACCEL_PRIVILEGES;
	else if (err == -EOPNOTSUPP && !accel->generic)
		advice = "; its driver may know no native mode: allow generic mode";
	else if (err == -ENOSPC)
		advice = "; the driver wants a receive queue for each queue that the other end "
			 "sends by: see ethtool -L";
	else if (err == -ERANGE || err == -EINVAL)
		advice = "; the driver may refuse XDP with this MTU or these offloads";
	coax_log(&accel->logger, COAX_LOG_WARNING, "%s: XDP program not attached: %s%s%s%s",
		 link->name, strerror(-err), *complaint ? ", the kernel says: " : "", complaint,
		 advice);
}

int accel_interface_attach(struct coax_accel *accel, struct accel_interface *interface,
			   const struct accel_link *link)
{
	static const char *const modes[] = {
		[COAX_RUNG_DISPATCHER] = "in native mode, beside other programs",
		[COAX_RUNG_NATIVE] = "in native mode, alone",
		[COAX_RUNG_GENERIC] = "in generic mode",
	};
	struct coax_attachment *attachment;
	int err;

	if (!link->ethernet) {
		coax_log(&accel->logger, COAX_LOG_WARNING,
			 "%s: no Ethernet interface, XDP program not attached", link->name);
		return -EOPNOTSUPP;
	}
	err = accel_succeed_attach(accel, interface, link);
	if (err == -ENOENT) {
		if (is_taken(accel, link))
			return -EBUSY;
		err = climb_down(accel, interface, link);
	}
	if (err) {
		say_refused(accel, link, err);
		return err;
	}

	attachment = &accel->config->attachments[interface - accel->interfaces];
	memcpy(attachment->name, interface->name, sizeof(attachment->name));
	attachment->rung = interface->rung;
	__atomic_store_n(&attachment->ifindex, interface->ifindex, __ATOMIC_RELAXED);
	coax_log(&accel->logger, COAX_LOG_INFO, "%s: XDP program attached %s", link->name,
		 modes[interface->rung]);
	if (accel_link_is(link, "veth") && interface->rung != COAX_RUNG_GENERIC)
		coax_log(
			&accel->logger, COAX_LOG_WARNING,
			"%s is a veth: what the kernel answers gets to the other end only if an XDP "
			"program in native mode is attached there too, be it one that passes all",
			link->name);
	return 0;
}
