#include "base/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/privilege.h"

/* An architecture that is not listed here runs without the filter, and the log says so. */
#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__i386__)
#define ARCHITECTURE AUDIT_ARCH_I386
#elif defined(__aarch64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#elif defined(__arm__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define ARCHITECTURE AUDIT_ARCH_ARM
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCHITECTURE AUDIT_ARCH_RISCV64
#elif defined(__powerpc64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define ARCHITECTURE AUDIT_ARCH_PPC64LE
#elif defined(__s390x__)
#define ARCHITECTURE AUDIT_ARCH_S390X
#endif

#ifdef ARCHITECTURE

/* Offset of the low 32 bits of an argument. */
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define LOW 4
#else
#define LOW 0
#endif
#define RULES_MAX 512

/* These calls are allowed with any arguments. The calls that every request makes come first. None
 * of them opens, connects, starts or signals anything. */
static const int allowed[] = {
#ifdef __NR_epoll_wait
	__NR_epoll_wait,
#endif
	__NR_epoll_pwait,
#ifdef __NR_epoll_pwait2
	__NR_epoll_pwait2,
#endif
	__NR_epoll_ctl,
	__NR_read,
	__NR_readv,
	__NR_write,
	__NR_writev,
#ifdef __NR_recv
	__NR_recv,
#endif
	__NR_recvfrom,
	__NR_recvmsg,
#ifdef __NR_send
	__NR_send,
#endif
	__NR_sendto,
	__NR_sendmsg,
#ifdef __NR_accept
	__NR_accept,
#endif
	__NR_accept4,
	__NR_close,
	__NR_shutdown,
	__NR_setsockopt,
	__NR_getsockopt,
	__NR_getsockname,
	__NR_getpeername,
#ifdef __NR_clock_gettime64
	__NR_clock_gettime64,
#endif
	__NR_clock_gettime,
	__NR_gettimeofday,
#ifdef __NR_time
	__NR_time,
#endif
	__NR_futex,
#ifdef __NR_futex_time64
	__NR_futex_time64,
#endif
#ifdef __NR_timerfd_settime64
	__NR_timerfd_settime64,
#endif
	__NR_timerfd_settime,
	__NR_brk,
	__NR_munmap,
	__NR_mremap,
	__NR_madvise,
#ifdef __NR_poll
	__NR_poll,
#endif
	__NR_ppoll,
#ifdef __NR_ppoll_time64
	__NR_ppoll_time64,
#endif
	__NR_nanosleep,
	__NR_clock_nanosleep,
	__NR_restart_syscall,
#ifdef __NR_fstat64
	__NR_fstat64,
#endif
	__NR_fstat,
	__NR_uname,
	__NR_getrandom,
	__NR_sched_yield,
	__NR_getpid,
	__NR_gettid,
	__NR_rt_sigprocmask,
	__NR_rt_sigaction,
	__NR_rt_sigreturn,
	__NR_sigaltstack, /* the sanitizers call it at the end */
#ifdef __NR_sigreturn
	__NR_sigreturn,
#endif
	__NR_exit,
	__NR_exit_group,
};

struct rules {
	struct sock_filter rule[RULES_MAX];
	unsigned count;
	bool full;
};

static void put(struct rules *r, uint16_t code, uint32_t k, uint8_t yes, uint8_t no)
{
	if (r->count == RULES_MAX) {
		r->full = true;
		return;
	}
	r->rule[r->count++] = (struct sock_filter)BPF_JUMP(code, k, yes, no);
}

static void load(struct rules *r, size_t offset)
{
	put(r, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void give(struct rules *r, uint32_t action)
{
	put(r, BPF_RET | BPF_K, action, 0, 0);
}

/* The number of the call is loaded before and after. */
static void load_call(struct rules *r)
{
	load(r, offsetof(struct seccomp_data, nr));
}

/* Allows `call` if its argument is one of `values`. */
static void allow_values(struct rules *r, int call, unsigned argument, const uint32_t *values,
			 uint8_t count)
{
	put(r, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, 0, (uint8_t)(count * 2 + 2));
	load(r, offsetof(struct seccomp_data, args) + argument * 8 + LOW);
	for (unsigned i = 0; i < count; i++) {
		put(r, BPF_JMP | BPF_JEQ | BPF_K, values[i], 0, 1);
		give(r, SECCOMP_RET_ALLOW);
	}
	load_call(r);
}

/* Allows `call` if its argument has none of these bits. */
static void allow_without(struct rules *r, int call, unsigned argument, uint32_t bits)
{
	put(r, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, 0, 4);
	load(r, offsetof(struct seccomp_data, args) + argument * 8 + LOW);
	put(r, BPF_JMP | BPF_JSET | BPF_K, bits, 1, 0);
	give(r, SECCOMP_RET_ALLOW);
	load_call(r);
}

static void allow_some(struct rules *r)
{
	/* Without F_SETOWN and F_SETSIG, which send signals. */
	static const uint32_t commands[] = { F_GETFD, F_SETFD, F_GETFL,
					     F_SETFL, F_DUPFD, F_DUPFD_CLOEXEC };
	static const uint32_t requests[] = { FIONREAD, FIONBIO };
	const uint32_t own = (uint32_t)getpid();

#ifdef __NR_fcntl64
	allow_values(r, __NR_fcntl64, 1, commands, ARRAY_SIZE(commands));
#endif
	allow_values(r, __NR_fcntl, 1, commands, ARRAY_SIZE(commands));
	allow_values(r, __NR_ioctl, 1, requests, ARRAY_SIZE(requests));
	allow_values(r, __NR_tgkill, 0, &own, 1); /* abort() */
#ifdef __NR_mmap2
	allow_without(r, __NR_mmap2, 2, PROT_EXEC);
#elif !defined(__s390x__) /* there its arguments are in memory, where the filter cannot read them */
	allow_without(r, __NR_mmap, 2, PROT_EXEC);
#else
	put(r, BPF_JMP | BPF_JEQ | BPF_K, __NR_mmap, 0, 1);
	give(r, SECCOMP_RET_ALLOW);
#endif
	allow_without(r, __NR_mprotect, 2, PROT_EXEC);
}

static int filter(void)
{
	struct rules r = { .count = 0 };
	struct sock_fprog program = { .filter = r.rule };

	load(&r, offsetof(struct seccomp_data, arch));
	put(&r, BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0);
	give(&r, SECCOMP_RET_ERRNO | EPERM);
	load_call(&r);
	for (unsigned i = 0; i < ARRAY_SIZE(allowed); i++) {
		put(&r, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)allowed[i], 0, 1);
		give(&r, SECCOMP_RET_ALLOW);
	}
	allow_some(&r);
	give(&r, SECCOMP_RET_ERRNO | EPERM);
	program.len = (unsigned short)r.count;
	if (r.full)
		return -E2BIG;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) < 0 ? -errno : 0;
}

#else

static int filter(void)
{
	return -ENOSYS;
}

#endif

static bool has_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct held[2] = { { 0 } };

	if (syscall(SYS_capget, &header, held) < 0)
		return true;
	for (unsigned i = 0; i < 2; i++)
		if (held[i].effective || held[i].permitted || held[i].inheritable)
			return true;
	return false;
}

int sandbox_enter(void)
{
	privilege_drop();
	if (has_capabilities())
		return -EPERM;
	return filter();
}
