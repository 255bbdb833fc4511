# SPDX-License-Identifier: Apache-2.0
"""cudart_exports.py NM OURS REAL: fails unless both libraries export the same versioned functions."""
import subprocess
import sys


def functions(nm, library):
    lines = subprocess.run([nm, "-D", "--defined-only", library], check=True, text=True,
                           stdout=subprocess.PIPE).stdout.splitlines()
    return {line.split()[2] for line in lines if line.split()[1] in "TW"}


nm, ours_path, real_path = sys.argv[1:]
ours, real = functions(nm, ours_path), functions(nm, real_path)
for name in sorted(ours ^ real):
    print(f"{name}: only in {'ours' if name in ours else 'the real one'}")
print(f"{len(real)} functions")
sys.exit(0 if real and ours == real else 1)
