// SPDX-License-Identifier: BSD-2-Clause
/* How VMs end: files closed in any order, processes killed, other processes, the module. */
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "free_memory.h"
#include "parameters.h"

GUEST_CODE(spin, "b .\n");
GUEST_CODE(touch, "mov x0, #0x50000000\n"
		  "mov x1, #0x09000000\n"
		  "1: str x0, [x0]\n"
		  "add x0, x0, #0x1000\n"
		  "tst x0, #0xffffff\n"
		  "b.ne 1b\n"
		  "str x0, [x1]\n"
		  "b .\n");

/* Tells which vCPU it is. */
GUEST_CODE(who, "mrs x0, mpidr_el1\n"
		"mov x1, #0x09000000\n"
		"str x0, [x1]\n"
		"b .\n");

static void write_sysctl(const char *path)
{
	int fd = open(path, O_WRONLY);

	if (fd >= 0 && write(fd, "1", 1) < 0)
		printf("# %s: %s\n", path, strerror(errno));
	if (fd >= 0)
		close(fd);
}

/* Free memory in KiB, once what is freed later has been freed. */
static long mem_free(void)
{
	long most = 0, now;
	unsigned int i;

	for (i = 0; i < 5; i++) {
		usleep(100000);
		write_sysctl("/proc/sys/vm/drop_caches");
		write_sysctl("/proc/sys/vm/compact_memory");
		now = free_kib();
		most = now > most ? now : most;
	}
	return most;
}

/* All that a VM can have, used once; @order: which files are closed first. */
static void whole_vm(unsigned int order)
{
	struct vm vm = new_vm();
	struct vcpu vcpu = new_vcpu(&vm, 0);
	char *more = map_memory(16UL << 20);
	int fds[3] = { vm.fd, vcpu.fd, 0 };
	unsigned int i;

	add_gic(&vm);
	fds[2] = vm.gic;
	must(set_region(vm.fd, 1, 0, 0x50000000, 16UL << 20, more), "16 MiB");
	LOAD(&vm, &vcpu, touch);
	if (run(&vcpu) < 0 || vcpu.run->exit_reason != KVM_EXIT_MMIO)
		give_up("a guest that touches its memory");
	for (i = 0; i < 3; i++)
		close(fds[(i + order) % 3]);
	munmap(vcpu.run, vcpu.run_size);
	munmap(vm.mem, GUEST_SIZE);
	munmap(more, 16UL << 20);
	close(vm.dev);
}

#define MPIDR_AFFINITY 0xff00ffffffULL
#define VCPUS_MAX      1024
#define FAR_REDIST     0x20000000ULL /* with room for all */
#define AFF_OF(vcpu)   (((vcpu)&15) | (vcpu) >> 4 << 8)

/* Every vCPU of the largest VM there is has run. */
static void crowded_vm(unsigned int round)
{
	static struct vcpu vcpus[VCPUS_MAX];
	struct vm vm = new_vm();
	unsigned long nr_vcpus = (unsigned long)must(
		ioctl(vm.fd, KVM_CHECK_EXTENSION, (unsigned long)KVM_CAP_MAX_VCPUS), "MAX_VCPUS");
	unsigned long i, good = 0;

	if (nr_vcpus > VCPUS_MAX)
		nr_vcpus = VCPUS_MAX;
	for (i = 0; i < nr_vcpus; i++)
		vcpus[i] = new_vcpu(&vm, i);
	add_gic_at(&vm, FAR_REDIST);
	if (!round)
		gives(ioctl(vm.fd, KVM_CREATE_VCPU, nr_vcpus), EINVAL, "one vCPU more");
	for (i = 0; i < nr_vcpus; i++) {
		LOAD(&vm, &vcpus[i], who);
		good += !run(&vcpus[i]) && vcpus[i].run->exit_reason == KVM_EXIT_MMIO &&
			(mmio_value(&vcpus[i]) & MPIDR_AFFINITY) == AFF_OF(i);
	}
	if (!round)
		check(good == nr_vcpus, "%lu of %lu vCPUs run, each with its MPIDR", good,
		      nr_vcpus);
	for (i = 0; i < nr_vcpus; i++) {
		munmap(vcpus[i].run, vcpus[i].run_size);
		close(vcpus[i].fd);
	}
	close(vm.gic);
	close(vm.fd);
	close(vm.dev);
	munmap(vm.mem, GUEST_SIZE);
}

static void empty_vm(unsigned int i)
{
	int dev = open_kvm();

	(void)i;
	close((int)must(ioctl(dev, KVM_CREATE_VM, 0UL), "KVM_CREATE_VM"));
	close(dev);
}

/*
 * @count times, and again: the second time takes no more memory. A VM that stays takes 64 KiB at
 * least, one with a vCPU 100; what the kernel keeps in its caches meanwhile is less than @kib each.
 */
static void leaves_nothing(void (*cycle)(unsigned int), unsigned int count, long kib,
			   const char *what)
{
	long before, after;
	unsigned int i;

	for (i = 0; i < count; i++)
		cycle(i);
	before = mem_free();
	for (i = 0; i < count; i++)
		cycle(i);
	after = mem_free();
	check(before - after < kib * count, "%u %s leave nothing behind (%ld KiB)", count, what,
	      before - after);
}

/* A process that is killed while its guest runs. */
static void kill_one(unsigned int i)
{
	pid_t pid = fork();

	(void)i;
	if (!pid) {
		struct vm vm = new_vm();
		struct vcpu vcpu = new_vcpu(&vm, 0);

		add_gic(&vm);
		LOAD(&vm, &vcpu, spin);
		run(&vcpu);
		_exit(1);
	}
	usleep(20000);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* A VM is its process's alone. */
static void test_other_process(void)
{
	struct vm vm = new_vm();
	struct vcpu vcpu = new_vcpu(&vm, 0);
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		bool good = ioctl(vm.fd, KVM_CREATE_VCPU, 1UL) < 0 && errno == EIO;

		good = good && ioctl(vcpu.fd, KVM_RUN, 0) < 0 && errno == EIO;
		_exit(good ? 0 : 1);
	}
	waitpid(pid, &status, 0);
	check(WIFEXITED(status) && !WEXITSTATUS(status), "another process's ioctls give EIO");
	close(vcpu.fd);
	close(vm.fd);
	close(vm.dev);
}

/* The vCPU's file and its mapping keep the VM when the VM's own file is closed. */
static void test_vm_closed_first(void)
{
	struct vm vm = new_vm();
	struct vcpu vcpu = new_vcpu(&vm, 0);
	struct kvm_run *page = vcpu.run;

	LOAD(&vm, &vcpu, spin);
	close(vm.fd);
	page->immediate_exit = 1;
	gives(ioctl(vcpu.fd, KVM_RUN, 0), EINTR, "KVM_RUN when the VM's file is closed");
	close(vcpu.fd);
	page->immediate_exit = 0;
	check(page->immediate_exit == 0, "the page is there while it is mapped");
	munmap(page, vcpu.run_size);
	close(vm.dev);
}

static void test_module_in_use(void)
{
	struct vm vm = bare_vm();
	long ret;

	close(vm.dev);
	if (!on_keel()) {
		printf("# keel.ko is not a module here: not asked to unload\n");
		close(vm.fd);
		return;
	}
	ret = syscall(SYS_delete_module, "keel", O_NONBLOCK);
	gives(ret, EWOULDBLOCK, "unloading the module while there is a VM");
	close(vm.fd);
}

static long locked_limit_run(void)
{
	struct rlimit limit = { 4UL << 20, 4UL << 20 };
	struct vm vm = new_vm();
	struct vcpu vcpu = new_vcpu(&vm, 0);
	char *more = map_memory(16UL << 20);

	must(set_region(vm.fd, 1, 0, 0x50000000, 16UL << 20, more), "16 MiB");
	LOAD(&vm, &vcpu, touch);
	setrlimit(RLIMIT_MEMLOCK, &limit);
	if (setuid(1000))
		return -1;
	return run(&vcpu) < 0 ? errno : 0;
}

static int locked_limit_errno(void)
{
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid)
		_exit((int)locked_limit_run());
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* As with KVM it does not count, unless the module was asked to let it. */
static void test_locked_limit(void)
{
	int err = locked_limit_errno();

	check(err == 0, "guest memory beyond RLIMIT_MEMLOCK: success (got %d)", err);
	if (!on_keel())
		return;
	write_number(MEMLOCK, 1);
	err = locked_limit_errno();
	write_number(MEMLOCK, 0);
	check(err == ENOMEM, "guest memory beyond RLIMIT_MEMLOCK where it counts: ENOMEM (got %d)",
	      err);
}

int main(void)
{
	test_other_process();
	test_vm_closed_first();
	test_module_in_use();
	leaves_nothing(empty_vm, 200, 32, "empty VMs");
	leaves_nothing(whole_vm, 60, 96, "VMs");
	leaves_nothing(crowded_vm, 2, 2048, "VMs of all vCPUs that there can be");
	leaves_nothing(kill_one, 60, 96, "killed processes");
	test_locked_limit();
	return finish();
}
