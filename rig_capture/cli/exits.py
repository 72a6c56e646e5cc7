"""Exit codes of the command `rig`.

| code | name | meaning |
|---|---|---|
| 0 | EXIT_OK | done, and well |
| 1 | EXIT_FAILED | something failed, or is damaged |
| 2 | EXIT_USAGE | the call, a profile or a path is wrong; nothing was done |
| 3 | EXIT_NOT_RUNNING | no rig is up |
"""

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_NOT_RUNNING = 3
