// SPDX-License-Identifier: Apache-2.0
// Our dlsym and dlvsym. A name that does not begin with cu[A-Z] is jumped on to the real function
// with the caller's return address in place, because glibc reads it to answer RTLD_NEXT and
// RTLD_DEFAULT. Other names are first shown to spillway_dlsym_answer (dlsym.cpp), which either has
// the answer or sends them the same way.
//
// Exported under the version names of old (libdl) and new (2.34) glibc, so that programs linked
// against either bind here.

#include "interpose/glibc_versions.h"

#if defined(__x86_64__)

        .macro  LOOKUP name, real
        .text
        .p2align 4
        .globl  spillway_\name
        .type   spillway_\name, @function
spillway_\name:
        .cfi_startproc
        endbr64
        testq   %rsi, %rsi
        jz      1f
        cmpb    $'c', (%rsi)            // byte by byte: the name may end at the end of a page
        jne     1f
        cmpb    $'u', 1(%rsi)
        jne     1f
        movzbl  2(%rsi), %eax
        subl    $'A', %eax
        cmpl    $('Z' - 'A'), %eax
        jbe     3f
1:      movq    \real(%rip), %rax
        testq   %rax, %rax
        jz      4f
2:      jmp     *%rax

3:      pushq   %rdi                    // handle, name, version: three pushes align the stack
        .cfi_adjust_cfa_offset 8
        pushq   %rsi
        .cfi_adjust_cfa_offset 8
        pushq   %rdx
        .cfi_adjust_cfa_offset 8
        .ifc \name, dlsym
        xorl    %edx, %edx
        .endif
        movq    24(%rsp), %rcx          // the caller
        call    spillway_dlsym_answer
        movq    %rdx, %rcx              // decided?
        popq    %rdx
        .cfi_adjust_cfa_offset -8
        popq    %rsi
        .cfi_adjust_cfa_offset -8
        popq    %rdi
        .cfi_adjust_cfa_offset -8
        testq   %rcx, %rcx
        jz      1b
        ret

4:      pushq   %rdi
        .cfi_adjust_cfa_offset 8
        pushq   %rsi
        .cfi_adjust_cfa_offset 8
        pushq   %rdx
        .cfi_adjust_cfa_offset 8
        call    spillway_find_real
        popq    %rdx
        .cfi_adjust_cfa_offset -8
        popq    %rsi
        .cfi_adjust_cfa_offset -8
        popq    %rdi
        .cfi_adjust_cfa_offset -8
        movq    \real(%rip), %rax
        testq   %rax, %rax
        jnz     2b
        ret                             // no dynamic linker that we know: not found
        .cfi_endproc
        .size   spillway_\name, . - spillway_\name
        .endm

#elif defined(__aarch64__)

        .macro  LOOKUP name, real
        .text
        .p2align 4
        .globl  spillway_\name
        .type   spillway_\name, %function
spillway_\name:
        .cfi_startproc
        hint    #34                     // bti c
        cbz     x1, 1f
        ldrb    w9, [x1]                // byte by byte: the name may end at the end of a page
        cmp     w9, #'c'
        b.ne    1f
        ldrb    w9, [x1, #1]
        cmp     w9, #'u'
        b.ne    1f
        ldrb    w9, [x1, #2]
        sub     w9, w9, #'A'
        cmp     w9, #('Z' - 'A')
        b.ls    3f
1:      adrp    x16, \real
        ldr     x16, [x16, #:lo12:\real]
        cbz     x16, 4f
2:      br      x16

3:      stp     x29, x30, [sp, #-48]!
        .cfi_adjust_cfa_offset 48
        .cfi_offset x29, -48
        .cfi_offset x30, -40
        stp     x0, x1, [sp, #16]
        str     x2, [sp, #32]
        .ifc \name, dlsym
        mov     x2, xzr
        .endif
        mov     x3, x30                 // the caller
        bl      spillway_dlsym_answer
        mov     x9, x0
        mov     x10, x1                 // decided?
        ldp     x0, x1, [sp, #16]
        ldr     x2, [sp, #32]
        ldp     x29, x30, [sp], #48
        .cfi_adjust_cfa_offset -48
        .cfi_restore x29
        .cfi_restore x30
        cbz     x10, 1b
        mov     x0, x9
        ret

4:      stp     x29, x30, [sp, #-48]!
        .cfi_adjust_cfa_offset 48
        .cfi_offset x29, -48
        .cfi_offset x30, -40
        stp     x0, x1, [sp, #16]
        str     x2, [sp, #32]
        bl      spillway_find_real
        ldp     x0, x1, [sp, #16]
        ldr     x2, [sp, #32]
        ldp     x29, x30, [sp], #48
        .cfi_adjust_cfa_offset -48
        .cfi_restore x29
        .cfi_restore x30
        adrp    x16, \real
        ldr     x16, [x16, #:lo12:\real]
        cbnz    x16, 2b
        mov     x0, xzr                 // no dynamic linker that we know: not found
        ret
        .cfi_endproc
        .size   spillway_\name, . - spillway_\name
        .endm

#else
#error "dlsym.S knows x86-64 and aarch64"
#endif

        LOOKUP  dlsym, spillway_real_dlsym
        LOOKUP  dlvsym, spillway_real_dlvsym

        // One address under two version names needs two symbols.
        .macro  EXPORT name, new, old
        .globl  spillway_\name\()_old
        .type   spillway_\name\()_old, %function
        .set    spillway_\name\()_old, spillway_\name
        .symver spillway_\name, \name\()@@\new
        .symver spillway_\name\()_old, \name\()@\old
        .endm

        EXPORT  dlsym, SPILLWAY_GLIBC_NEW, SPILLWAY_GLIBC_OLD
        EXPORT  dlvsym, SPILLWAY_GLIBC_NEW, SPILLWAY_GLIBC_OLD

        .section .note.GNU-stack, "", %progbits
