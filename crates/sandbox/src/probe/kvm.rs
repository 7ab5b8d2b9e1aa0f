//! Whether hardware virtualisation is real. That `/dev/kvm` opens says nothing: inside some virtual machines every
//! kernel-mode instruction of a guest is emulated, thousands of times too slow. So a guest counts down a register, and
//! the clock decides. Source: kernel documentation, virt/kvm/api.

use std::fs::{File, OpenOptions};
use std::io;

/// A guest instruction slower than this is emulated; hardware takes less than one nanosecond.
pub(super) const USABLE_NS_MAX: f64 = 50.0;

#[derive(Debug)]
pub(super) enum Measured {
    Absent(io::Error),
    Untimed(&'static str),
    PerInstruction { picoseconds: u64 },
}

pub(super) fn measure() -> Measured {
    match OpenOptions::new().read(true).write(true).open("/dev/kvm") {
        Ok(kvm) => time(&kvm),
        Err(error) => Measured::Absent(error),
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn time(_: &File) -> Measured {
    Measured::Untimed("not timed on this architecture")
}

#[cfg(target_arch = "x86_64")]
fn time(kvm: &File) -> Measured {
    let mut picoseconds = 0;
    match guest::run(kvm, &mut picoseconds) {
        super::trial::Trial::Worked => Measured::PerInstruction { picoseconds },
        super::trial::Trial::Stuck => Measured::Untimed("but a guest of a few instructions does not come to an end"),
        super::trial::Trial::Failed(_) => Measured::Untimed("but no guest can be started"),
    }
}

#[cfg(target_arch = "x86_64")]
mod guest {
    #![allow(unsafe_code, reason = "KVM is driven by ioctls and shared memory")]

    use std::fs::File;
    use std::io::{Read, pipe};
    use std::os::fd::AsRawFd;
    use std::ptr;
    use std::time::Instant;

    use super::super::trial::{Trial, in_child};

    /// Two instructions each: 10 µs on hardware, 100 ms emulated.
    const ITERATIONS: u32 = 20_000;
    const PAGE: usize = 4_096;
    /// Real mode: `mov ecx, ITERATIONS; again: dec ecx; jnz again; hlt`.
    const PROGRAM: [u8; 11] = {
        let [a, b, c, d] = ITERATIONS.to_le_bytes();
        [0x66, 0xb9, a, b, c, d, 0x66, 0x49, 0x75, 0xfc, 0xf4]
    };

    const KVM_CREATE_VM: u64 = 0xae01;
    const KVM_GET_VCPU_MMAP_SIZE: u64 = 0xae04;
    const KVM_CREATE_VCPU: u64 = 0xae41;
    const KVM_SET_USER_MEMORY_REGION: u64 = 0x4020_ae46;
    const KVM_RUN: u64 = 0xae80;
    const KVM_SET_REGS: u64 = 0x4090_ae82;
    const KVM_GET_SREGS: u64 = 0x8138_ae83;
    const KVM_SET_SREGS: u64 = 0x4138_ae84;
    const KVM_EXIT_HLT: u32 = 5;
    /// Of `exit_reason` in `struct kvm_run`.
    const EXIT_REASON_OFFSET: usize = 8;

    /// `struct kvm_userspace_memory_region`.
    #[repr(C)]
    struct MemoryRegion {
        slot: u32,
        flags: u32,
        guest_address: u64,
        bytes: u64,
        address: u64,
    }

    /// `struct kvm_regs`.
    #[repr(C)]
    struct Registers {
        general: [u64; 16],
        rip: u64,
        rflags: u64,
    }

    /// `struct kvm_sregs`, of which only the code segment at its start is changed.
    #[repr(C)]
    struct SpecialRegisters {
        code_base: u64,
        code_limit: u32,
        code_selector: u16,
        rest: [u16; 149],
    }

    const _: () = assert!(size_of::<Registers>() == 144 && size_of::<SpecialRegisters>() == 312);

    /// Runs the guest in a child process, whose alarm ends a guest that does not.
    pub(super) fn run(kvm: &File, picoseconds: &mut u64) -> Trial {
        let Ok((mut receiver, sender)) = pipe() else { return Trial::Failed(libc::EMFILE) };
        let trial = in_child(|| {
            // SAFETY: system calls on descriptors and memory of this function; the write is of eight bytes on its stack.
            unsafe {
                match count_down(kvm) {
                    Some(measured) => {
                        let written = libc::write(sender.as_raw_fd(), (&raw const measured).cast(), 8);
                        if written == 8 { 0 } else { libc::EIO }
                    }
                    None => libc::EIO,
                }
            }
        });
        drop(sender);
        let mut bytes = [0; 8];
        if trial == Trial::Worked && receiver.read_exact(&mut bytes).is_ok() {
            *picoseconds = u64::from_ne_bytes(bytes);
        }
        trial
    }

    /// # Safety
    /// Makes descriptors and mappings that end with the process: for a short-lived child only.
    unsafe fn count_down(kvm: &File) -> Option<u64> {
        // SAFETY: every pointer is to a live value of the type and size that the ioctl's number encodes, or to a mapping
        // of at least the size used; results are checked before use.
        unsafe {
            let vm = ioctl(kvm.as_raw_fd(), KVM_CREATE_VM, 0)?;
            let memory = map(-1, PAGE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS)?;
            ptr::copy_nonoverlapping(PROGRAM.as_ptr(), memory, PROGRAM.len());
            let region =
                MemoryRegion { slot: 0, flags: 0, guest_address: 0, bytes: PAGE as u64, address: memory as u64 };
            ioctl(vm, KVM_SET_USER_MEMORY_REGION, (&raw const region) as u64)?;
            let cpu = ioctl(vm, KVM_CREATE_VCPU, 0)?;
            let run_bytes = ioctl(kvm.as_raw_fd(), KVM_GET_VCPU_MMAP_SIZE, 0)?;
            let run = map(cpu, usize::try_from(run_bytes).ok()?, libc::MAP_SHARED)?;
            let mut special: SpecialRegisters = std::mem::zeroed();
            ioctl(cpu, KVM_GET_SREGS, (&raw mut special) as u64)?;
            special.code_base = 0;
            special.code_selector = 0;
            ioctl(cpu, KVM_SET_SREGS, (&raw const special) as u64)?;
            let registers = Registers { general: [0; 16], rip: 0, rflags: 2 };
            ioctl(cpu, KVM_SET_REGS, (&raw const registers) as u64)?;
            let started = Instant::now();
            ioctl(cpu, KVM_RUN, 0)?;
            let taken = started.elapsed();
            let reason = run.add(EXIT_REASON_OFFSET).cast::<u32>().read_volatile();
            let picoseconds = taken.as_nanos() * 1_000 / u128::from(ITERATIONS * 2);
            (reason == KVM_EXIT_HLT).then_some(u64::try_from(picoseconds).ok()?)
        }
    }

    /// # Safety
    /// `argument` is what the request takes.
    unsafe fn ioctl(descriptor: i32, request: u64, argument: u64) -> Option<i32> {
        // SAFETY: as promised by the caller.
        let result = unsafe { libc::ioctl(descriptor, request as libc::Ioctl, argument) };
        (result >= 0).then_some(result)
    }

    /// # Safety
    /// The mapping lives until the process ends.
    unsafe fn map(descriptor: i32, bytes: usize, flags: i32) -> Option<*mut u8> {
        // SAFETY: a new mapping at an address the kernel chooses.
        let address =
            unsafe { libc::mmap(ptr::null_mut(), bytes, libc::PROT_READ | libc::PROT_WRITE, flags, descriptor, 0) };
        (address != libc::MAP_FAILED).then_some(address.cast())
    }
}
