"""``python -m iconotext``, which is how torchrun starts the command line on several processes."""

from iconotext.cli.main import main

if __name__ == "__main__":
    main()
