//! The seccomp filter, as classic BPF over `seccomp_data { nr: u32, arch: u32, … }`.
//!
//! Invariants:
//! 1. Every jump of the program stays within it, and its last instruction returns.
//! 2. The kernel copies program and instructions during the call that installs them.
#![allow(unsafe_code)]

use std::io;

/// The three calls have one number on every architecture (they came after the tables were unified).
const IO_URING_CALLS: std::ops::RangeInclusive<u32> = 425..=427;

const OFFSET_NR: u32 = 0;
const OFFSET_ARCH: u32 = 4;

/// `AUDIT_ARCH_*` of the architecture that this program is built for.
#[cfg(target_arch = "x86_64")]
const ARCH: u32 = 0xC000_003E;
#[cfg(target_arch = "aarch64")]
const ARCH: u32 = 0xC000_00B7;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!("no-uring knows the audit architecture of x86_64 and aarch64 only; add yours here");

const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const JUMP_EQ: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const JUMP_GE: u16 = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;
const JUMP_GT: u16 = (libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

const fn op(code: u16, k: u32, jt: u8, jf: u8) -> libc::sock_filter {
    libc::sock_filter { code, jt, jf, k }
}

/// Jumps are relative to the instruction that follows. A call by another architecture's table is
/// let through: only this one's numbers are known here.
const PROGRAM: [libc::sock_filter; 7] = [
    op(LOAD, OFFSET_ARCH, 0, 0),
    op(JUMP_EQ, ARCH, 0, 3),
    op(LOAD, OFFSET_NR, 0, 0),
    op(JUMP_GE, *IO_URING_CALLS.start(), 0, 1),
    op(JUMP_GT, *IO_URING_CALLS.end(), 0, 1),
    op(RETURN, libc::SECCOMP_RET_ALLOW, 0, 0),
    op(RETURN, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32, 0, 0),
];

/// Forbids io_uring to this process and to all that it will start, for good.
///
/// # Errors
///
/// The answer of a kernel without seccomp filters.
pub(crate) fn install() -> io::Result<()> {
    // SAFETY: PR_SET_NO_NEW_PRIVS takes integers only and touches no memory of ours.
    if unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let mut instructions = PROGRAM;
    let program = libc::sock_fprog {
        len: instructions.len() as u16,
        filter: instructions.as_mut_ptr(),
    };
    // SAFETY: `program` names `instructions` by pointer and length; both live until the call
    // returns, after which the kernel needs neither (invariant 2), and the kernel verifies the
    // program itself (invariant 1).
    let answer = unsafe {
        libc::prctl(
            libc::PR_SET_SECCOMP,
            libc::SECCOMP_MODE_FILTER,
            &raw const program,
        )
    };
    match answer {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Asks for a ring, to be sure that the filter is what refuses it.
///
/// # Errors
///
/// A message, if anything but EPERM came back.
pub(crate) fn check() -> Result<(), String> {
    // SAFETY: without the filter the kernel answers EFAULT to the null parameters and writes
    // nothing.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_io_uring_setup,
            1,
            std::ptr::null_mut::<libc::c_void>(),
        )
    };
    let error = io::Error::last_os_error();
    match (answer, error.raw_os_error()) {
        (-1, Some(libc::EPERM)) => Ok(()),
        _ => Err(format!(
            "io_uring_setup answered {answer} ({error}) under the filter instead of EPERM"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Walks the program as the kernel would.
    fn decide(arch: u32, nr: u32) -> u32 {
        let (mut pc, mut acc) = (0usize, 0u32);
        loop {
            let i = PROGRAM[pc];
            pc += 1;
            let jump = |taken: bool| usize::from(if taken { i.jt } else { i.jf });
            match i.code {
                LOAD if i.k == OFFSET_NR => acc = nr,
                LOAD => acc = arch,
                JUMP_EQ => pc += jump(acc == i.k),
                JUMP_GE => pc += jump(acc >= i.k),
                JUMP_GT => pc += jump(acc > i.k),
                RETURN => return i.k,
                code => panic!("unknown instruction {code:#x}"),
            }
        }
    }

    #[test]
    fn exactly_the_io_uring_calls_are_refused() {
        let refused = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
        let calls = [
            libc::SYS_io_uring_setup,
            libc::SYS_io_uring_enter,
            libc::SYS_io_uring_register,
        ];
        for nr in 0..1000 {
            let expected = match calls.contains(&libc::c_long::from(nr)) {
                true => refused,
                false => libc::SECCOMP_RET_ALLOW,
            };
            assert_eq!(decide(ARCH, nr as u32), expected, "call {nr}");
        }
    }

    #[test]
    fn other_architectures_are_let_through() {
        for nr in 400..450 {
            assert_eq!(decide(ARCH ^ 1, nr), libc::SECCOMP_RET_ALLOW);
        }
    }
}
