//! Whether the processor has AMX for bytes and the operating system lets this process use it.

use std::arch::asm;
use std::arch::x86_64::{__cpuid_count, CpuidResult};

/// CPUID leaf 7, EDX: tiles, and their products of bytes.
const AMX_TILE: u32 = 1 << 24;
const AMX_INT8: u32 = 1 << 25;
/// CPUID leaf 1, ECX: the operating system saves what XCR0 says.
const OSXSAVE: u32 = 1 << 27;
/// XCR0: the tiles and their configuration are saved.
const XTILE: u32 = 0b11 << 17;

/// Asks the operating system for permission where the processor has the instructions.
pub(crate) fn granted() -> bool {
    present() && permitted()
}

/// Whether there are eight tiles of 16 rows of 64 bytes with products of bytes, and they are saved.
fn present() -> bool {
    if cpuid(0, 0).eax < 0x1d || cpuid(1, 0).ecx & OSXSAVE == 0 {
        return false;
    }
    let features = cpuid(7, 0).edx;
    if features & (AMX_TILE | AMX_INT8) != AMX_TILE | AMX_INT8 || saved() & XTILE != XTILE {
        return false;
    }
    let palette = cpuid(0x1d, 1);
    palette.eax >> 16 == 1024 && palette.ebx == 8 << 16 | 64 && palette.ecx & 0xffff == 16
}

#[allow(unused_unsafe)]
fn cpuid(leaf: u32, part: u32) -> CpuidResult {
    // SAFETY: every x86-64 processor has the instruction; compilers differ on whether it is unsafe.
    unsafe { __cpuid_count(leaf, part) }
}

/// The low half of XCR0.
fn saved() -> u32 {
    let low: u32;
    // SAFETY: OSXSAVE says that the instruction exists; it only reads a register.
    unsafe {
        asm!("xgetbv", in("ecx") 0, out("eax") low, out("edx") _, options(nomem, nostack, preserves_flags));
    }
    low
}

/// Asks Linux for the tiles, for the whole process and for good.
#[cfg(target_os = "linux")]
fn permitted() -> bool {
    const ARCH_PRCTL: i64 = 158;
    const ARCH_REQ_XCOMP_PERM: u64 = 0x1023;
    const XFEATURE_XTILEDATA: u64 = 18;
    let answer: i64;
    // SAFETY: the call changes nothing but a permission; its registers are declared.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") ARCH_PRCTL => answer,
            in("rdi") ARCH_REQ_XCOMP_PERM,
            in("rsi") XFEATURE_XTILEDATA,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack)
        );
    }
    answer == 0
}

#[cfg(not(target_os = "linux"))]
fn permitted() -> bool {
    false
}
