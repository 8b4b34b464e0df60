"""What is written into the status of KWatt's own objects. Pure; figures come from plan and snapshot."""
