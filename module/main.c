// SPDX-License-Identifier: GPL-2.0
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include "fairlead.h"

#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <net/netns/generic.h>

static unsigned int net_id;

struct pernet {
	struct fairlead_net __rcu *fn;
	struct mutex config;
};

struct fairlead_net *fairlead_pernet(struct net *net)
{
	struct pernet *p = net_generic(net, net_id);

	/* Set once, freed after the namespace's hooks and requests are gone. */
	return rcu_dereference_raw(p->fn);
}

struct mutex *fairlead_pernet_config(struct net *net)
{
	struct pernet *p = net_generic(net, net_id);

	return &p->config;
}

struct fairlead_net *fairlead_pernet_get(struct net *net)
{
	struct pernet *p = net_generic(net, net_id);
	struct fairlead_net *fn = rcu_dereference_raw(p->fn);

	if (fn)
		return fn;
	fn = kzalloc(sizeof(*fn), GFP_KERNEL_ACCOUNT);
	if (!fn)
		return ERR_PTR(-ENOMEM);
	INIT_LIST_HEAD(&fn->receivers);
	fn->netns = net->ns.inum;
	fn->stats = alloc_percpu_gfp(struct fairlead_stats, GFP_KERNEL_ACCOUNT);
	if (!fn->stats || fairlead_route_init(fn)) {
		free_percpu(fn->stats);
		kfree(fn);
		return ERR_PTR(-ENOMEM);
	}
	rcu_assign_pointer(p->fn, fn);
	return fn;
}

static int __net_init fairlead_net_init(struct net *net)
{
	struct pernet *p = net_generic(net, net_id);

	mutex_init(&p->config);
	return 0;
}

/* An RCU grace period lies between pre_exit and exit. */
static void __net_exit fairlead_pre_exit(struct net *net)
{
	struct fairlead_net *fn = fairlead_pernet(net);

	if (!fn || !fn->hooked)
		return;
	fairlead_hook_unregister(net, fn);
	fn->hooked = false;
}

static void __net_exit fairlead_exit_batch(struct list_head *nets)
{
	struct fairlead_net *fn;
	struct net *net;
	bool any = false;

	list_for_each_entry(net, nets, exit_list) any |= fairlead_pernet(net) != NULL;
	if (!any)
		return;
	fairlead_burst_flush_all();
	list_for_each_entry(net, nets, exit_list)
	{
		fn = fairlead_pernet(net);
		if (!fn)
			continue;
		fairlead_receive_forget(fn);
		fairlead_route_forget(fn);
		free_percpu(fn->routes);
		free_percpu(fn->stats);
		kfree(fn);
	}
}

static struct pernet_operations fairlead_net_ops = {
	.init = fairlead_net_init,
	.pre_exit = fairlead_pre_exit,
	.exit_batch = fairlead_exit_batch,
	.id = &net_id,
	.size = sizeof(struct pernet),
};

static int __init fairlead_init(void)
{
	int err;

	err = fairlead_charge_init();
	if (err)
		return err;
	err = fairlead_hold_init();
	if (err)
		return err;
	err = fairlead_burst_init();
	if (err)
		goto err_hold;
	err = register_pernet_subsys(&fairlead_net_ops);
	if (err)
		goto err_burst;
	err = fairlead_netlink_init();
	if (err)
		goto err_pernet;
	return 0;

err_pernet:
	unregister_pernet_subsys(&fairlead_net_ops);
err_burst:
	fairlead_burst_exit();
err_hold:
	fairlead_hold_exit();
	return err;
}

static void __exit fairlead_exit(void)
{
	fairlead_netlink_exit();
	fairlead_receive_exit();
	unregister_pernet_subsys(&fairlead_net_ops);
	fairlead_burst_exit();
	fairlead_hold_exit();
}

module_init(fairlead_init);
module_exit(fairlead_exit);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The Fairlead authors");
MODULE_DESCRIPTION("Makes WireGuard's datagrams cross the stack in bursts");
MODULE_VERSION(FAIRLEAD_VERSION);
/* No MODULE_ALIAS_GENL_FAMILY: anyone who asks for the family would load the module. */
