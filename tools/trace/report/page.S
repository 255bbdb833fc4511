// SPDX-License-Identifier: Apache-2.0
// The bytes of the page that embed.cmake has put together.
    .section .rodata
    .globl spillway_report_page, spillway_report_page_end
    .hidden spillway_report_page, spillway_report_page_end
spillway_report_page:
    .incbin REPORT_PAGE
spillway_report_page_end:
    .byte 0
    .section .note.GNU-stack, "", %progbits
