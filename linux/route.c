// SPDX-License-Identifier: GPL-2.0
/*
 * GSIs: what an irqfd's number means. KVM_SET_GSI_ROUTING replaces all routes at once; without it,
 * GSI n is the shared interrupt n. The table is read under RCU, in any context.
 */
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "keel.h"

/* What shared interrupts a GIC can have, as pins of the one interrupt controller. */
#define PINS 988

enum route_kind { ROUTE_NONE, ROUTE_PIN, ROUTE_MSI };

struct keel_route {
	enum route_kind kind;
	u32 pin;
	struct keel_msi msi;
};

struct keel_routes {
	struct rcu_head rcu;
	u32 count; /* GSIs from this one on have no route */
	struct keel_route route[];
};

static int pin_route(const struct kvm_irq_routing_entry *entry, struct keel_route *route)
{
	if (entry->flags || entry->u.irqchip.irqchip || entry->u.irqchip.pin >= PINS)
		return -EINVAL;
	route->kind = ROUTE_PIN;
	route->pin = entry->u.irqchip.pin;
	return 0;
}

static int msi_route(const struct kvm_irq_routing_entry *entry, struct keel_route *route)
{
	const struct kvm_irq_routing_msi *msi = &entry->u.msi;

	if (entry->flags & ~KVM_MSI_VALID_DEVID)
		return -EINVAL;
	route->kind = ROUTE_MSI;
	route->msi = (struct keel_msi){
		.address = (u64)msi->address_hi << 32 | msi->address_lo,
		.data = msi->data,
		.device = msi->devid,
		.has_device = entry->flags & KVM_MSI_VALID_DEVID,
	};
	return 0;
}

/* There is one interrupt controller, so a GSI has one route. */
static int set_route(struct keel_routes *routes, const struct kvm_irq_routing_entry *entry)
{
	struct keel_route *route = &routes->route[entry->gsi];

	if (route->kind != ROUTE_NONE)
		return -EINVAL;
	switch (entry->type) {
	case KVM_IRQ_ROUTING_IRQCHIP:
		return pin_route(entry, route);
	case KVM_IRQ_ROUTING_MSI:
		return msi_route(entry, route);
	default:
		return -EINVAL;
	}
}

static struct keel_routes *make_routes(const struct kvm_irq_routing_entry *entries, u32 nr)
{
	struct keel_routes *routes;
	u32 count = 0;
	int ret = 0;

	for (u32 i = 0; i < nr; i++) {
		if (entries[i].gsi >= KEEL_GSIS)
			return ERR_PTR(-EINVAL);
		count = max(count, entries[i].gsi + 1);
	}
	routes = kvzalloc(struct_size(routes, route, count), GFP_KERNEL_ACCOUNT);
	if (!routes)
		return ERR_PTR(-ENOMEM);
	routes->count = count;
	for (u32 i = 0; i < nr && !ret; i++)
		ret = set_route(routes, &entries[i]);
	if (!ret)
		return routes;
	kvfree(routes);
	return ERR_PTR(ret);
}

static void replace_routes(struct keel_vm *vm, struct keel_routes *routes)
{
	struct keel_routes *old;

	mutex_lock(&vm->lock);
	old = rcu_dereference_protected(vm->routes, lockdep_is_held(&vm->lock));
	rcu_assign_pointer(vm->routes, routes);
	mutex_unlock(&vm->lock);
	if (old)
		kvfree_rcu(old, rcu);
}

int keel_set_routing(struct keel_vm *vm, void __user *argp)
{
	struct kvm_irq_routing __user *user = argp;
	struct kvm_irq_routing_entry *entries = NULL;
	struct kvm_irq_routing head;
	struct keel_routes *routes;

	if (copy_from_user(&head, user, sizeof(head)))
		return -EFAULT;
	if (head.flags || head.nr > KEEL_GSIS || (head.nr && !keel_vgic_created(vm)))
		return -EINVAL;
	if (head.nr) {
		entries = vmemdup_user(user->entries, array_size(sizeof(*entries), head.nr));
		if (IS_ERR(entries))
			return PTR_ERR(entries);
	}
	routes = make_routes(entries, head.nr);
	kvfree(entries);
	if (IS_ERR(routes))
		return PTR_ERR(routes);
	replace_routes(vm, routes);
	return 0;
}

/*
 * What is done to a route's end. RAISE is for edges: EL2 makes the interrupt pending each time. A level
 * stays high, as on KVM, until KVM_IRQ_LINE or an irqfd that is resampled lowers it; a pulse would be
 * lost where no vCPU takes it in time.
 */
enum drive { RAISE, HOLD, LOWER };

/* A pin that the VM's GIC does not have is nothing, and so is one before the init. */
static void drive_pin(struct keel_vm *vm, u32 pin, enum drive drive)
{
	u32 intid = array_index_nospec(pin, KEEL_IRQS_MAX) + KEEL_PRIVATE_IRQS;

	if (!keel_vgic_initialized(vm) || pin >= vm->vgic.nr_irqs - KEEL_PRIVATE_IRQS)
		return;
	if (drive == RAISE)
		keel_irq_line(vm, 0, intid, true);
	else if (drive == HOLD)
		keel_irq_hold(vm, intid);
	else
		keel_irq_line(vm, 0, intid, false);
}

static void follow_route(struct keel_vm *vm, const struct keel_route *route, enum drive drive)
{
	if (route->kind == ROUTE_PIN)
		drive_pin(vm, route->pin, drive);
	else if (route->kind == ROUTE_MSI && drive != LOWER)
		keel_msi(vm, &route->msi);
}

/*
 * The route of @gsi; NULL: it has none. Without a table it is the pin of the same number, for which
 * @pin is the space. Under RCU.
 */
static const struct keel_route *route_of(struct keel_vm *vm, u32 gsi, struct keel_route *pin)
{
	const struct keel_routes *routes = rcu_dereference(vm->routes);

	if (likely(routes))
		return gsi < routes->count ? &routes->route[array_index_nospec(gsi, routes->count)]
					   : NULL;
	*pin = (struct keel_route){ .kind = ROUTE_PIN, .pin = gsi };
	return pin;
}

static void drive_gsi(struct keel_vm *vm, u32 gsi, enum drive drive)
{
	const struct keel_route *route;
	struct keel_route pin KEEL_NOT_CLEARED;

	rcu_read_lock();
	route = route_of(vm, gsi, &pin);
	if (route)
		follow_route(vm, route, drive);
	rcu_read_unlock();
}

void keel_raise_gsi(struct keel_vm *vm, u32 gsi)
{
	drive_gsi(vm, gsi, RAISE);
}

void keel_hold_gsi(struct keel_vm *vm, u32 gsi)
{
	drive_gsi(vm, gsi, HOLD);
}

void keel_lower_gsi(struct keel_vm *vm, u32 gsi)
{
	drive_gsi(vm, gsi, LOWER);
}

bool keel_gsi_is_pin(struct keel_vm *vm, u32 gsi, u32 pin)
{
	const struct keel_route *route;
	struct keel_route made;
	bool is_pin;

	rcu_read_lock();
	route = route_of(vm, gsi, &made);
	is_pin = route && route->kind == ROUTE_PIN && route->pin == pin;
	rcu_read_unlock();
	return is_pin;
}

void keel_routes_release(struct keel_vm *vm)
{
	kvfree(rcu_dereference_protected(vm->routes, true));
}

/* KVM_SIGNAL_MSI. 1; 0: the guest has mapped nothing there. */
int keel_signal_msi(struct keel_vm *vm, void __user *argp)
{
	struct kvm_msi arg;
	struct keel_msi msi;

	if (copy_from_user(&arg, argp, sizeof(arg)))
		return -EFAULT;
	if (!keel_vgic_created(vm) || arg.flags & ~KVM_MSI_VALID_DEVID)
		return -EINVAL;
	msi = (struct keel_msi){
		.address = (u64)arg.address_hi << 32 | arg.address_lo,
		.data = arg.data,
		.device = arg.devid,
		.has_device = arg.flags & KVM_MSI_VALID_DEVID,
	};
	return keel_msi(vm, &msi);
}
