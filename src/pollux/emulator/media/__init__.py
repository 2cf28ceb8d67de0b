"""What the emulator sees and hears: media of a request, told from their bytes, described and counted.

It repeats on purpose what the rest of Pollux does with media: it is the judge of what Pollux sends.
"""
