// SPDX-License-Identifier: BSD-2-Clause
/*
 * Where an interface stands among the host's links, and whether the program may answer there: a
 * reply goes out by the very interface, with the tags that the frame shows and no other, past
 * everything that the stack has above it.
 */
#include <stdio.h>
#include <string.h>
#include "accel/internal.h"

/* Hardware has its switch. Of what software hands on, a tag may have been taken off long ago. */
static bool shows_tags(const struct accel_snapshot *snapshot, const struct accel_link *link)
{
	bool shows = accel_link_is(link, "bond");

	if (!*link->kind)
		return !link->takes_tags_off;
	for (size_t i = 0; i < snapshot->link_count && shows; i++)
		if (snapshot->links[i].master == link->ifindex)
			shows = !*snapshot->links[i].kind && !snapshot->links[i].takes_tags_off;
	return shows;
}

static bool lies_on(const struct accel_link *vlan, const struct accel_link *link)
{
	return accel_link_is(vlan, "vlan") && vlan->lower == link->ifindex;
}

static void set_obstacle(struct accel_place *place, enum accel_obstacle obstacle,
			 const struct accel_link *other)
{
	place->obstacle = obstacle;
	memcpy(place->other, other->name, sizeof(place->other));
	memcpy(place->other_kind, other->kind, sizeof(place->other_kind));
}

/* The VLANs that the host is in by this link, unless they cannot be told from one another. */
static void look_up(const struct accel_snapshot *snapshot, const struct accel_link *link,
		    struct accel_place *place)
{
	bool shows = shows_tags(snapshot, link);

	place->program.vlans_known = 1;
	for (size_t i = 0; i < snapshot->link_count; i++) {
		const struct accel_link *vlan = &snapshot->links[i];

		if (!lies_on(vlan, link))
			continue;
		place->has_vlans = true;
		if (!shows || vlan->service_vlan) {
			set_obstacle(place, ACCEL_OBSTACLE_TAGS, vlan);
		} else if (vlan->up && vlan->vlan < COAX_VLANS) {
			place->program.vlans[vlan->vlan / 64] |= 1ULL << vlan->vlan % 64;
		}
	}
}

/* A bridge takes for its host's what comes to its own MAC address, by whichever port. */
static void look_at_bridge(const struct accel_snapshot *snapshot, const struct accel_link *link,
			   const struct accel_link *bridge, struct accel_place *place)
{
	struct accel_place above = {0};

	place->program.device = bridge->ifindex;
	place->program.port = 1;
	memcpy(place->mac, bridge->mac, sizeof(place->mac));
	look_up(snapshot, bridge, &above);
	if (bridge->filters_vlans || above.has_vlans) {
		set_obstacle(place, ACCEL_OBSTACLE_FILTER, bridge);
	} else if (link->blocked || !bridge->up) {
		set_obstacle(place, ACCEL_OBSTACLE_BLOCKED, bridge);
	}
}

void accel_place_find(const struct accel_snapshot *snapshot, const struct accel_link *link,
		      struct accel_place *place)
{
	const struct accel_link *master =
		link->master ? accel_snapshot_link(snapshot, link->master) : NULL;

	memset(place, 0, sizeof(*place));
	place->program.device = link->ifindex;
	memcpy(place->mac, link->mac, sizeof(place->mac));
	look_up(snapshot, link, place);
	if (place->obstacle != ACCEL_OBSTACLE_NONE || !master || accel_link_is(master, "vrf"))
		return;
	if (accel_link_is(master, "bridge")) {
		look_at_bridge(snapshot, link, master, place);
		return;
	}
	set_obstacle(place, ACCEL_OBSTACLE_MASTER, master);
}

void accel_place_explain(const struct accel_place *place, const struct accel_link *link, char *text,
			 size_t size)
{
	const char *other = place->other;
	bool hardware = !*link->kind;

	switch (place->obstacle) {
	case ACCEL_OBSTACLE_NONE:
		snprintf(text, size, "nothing is in the way");
		break;
	case ACCEL_OBSTACLE_MASTER:
		snprintf(text, size,
			 "it belongs to %s (%s), which decides on its frames; attach to %s", other,
			 place->other_kind, other);
		break;
	case ACCEL_OBSTACLE_TAGS:
		snprintf(text, size,
			 "a frame's VLAN tag may have been taken off, and a reply on %s would "
			 "leave without%s%s%s",
			 other, hardware ? "; to keep tags on: ethtool -K " : "",
			 hardware ? link->name : "", hardware ? " rxvlan off" : "");
		break;
	case ACCEL_OBSTACLE_FILTER:
		snprintf(
			text, size,
			"its bridge %s has VLANs, and which one a frame is in is the bridge's to say",
			other);
		break;
	case ACCEL_OBSTACLE_BLOCKED:
		snprintf(text, size, "its bridge %s takes no frames from it now", other);
		break;
	}
}
